/// Takes apart what `pg_restore --verbose --file=-` writes.
///
/// ```
/// --
/// -- TOC entry 3215 (class 2606 OID 16401)
/// -- Name: orders orders_customer_fkey; Type: FK CONSTRAINT; Schema: shop; Owner: postgres
/// --
///
/// ALTER TABLE ONLY shop.orders
///     ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer) REFERENCES shop.customers(id);
/// ```
struct RestoreScript {
    /// The statements of each entry, by its number in the archive.
    private(set) var statements: [Int: String] = [:]
    private var entry: Int?

    /// The next line.
    mutating func take(_ line: String) {
        let heading = "-- TOC entry "
        if line.hasPrefix(heading) {
            entry = Int(line.dropFirst(heading.count).prefix { $0.isNumber })
            return
        }
        guard let entry, !line.isEmpty, !line.hasPrefix("--"), !line.hasPrefix("SET "), !line.hasPrefix("\\") else {
            return
        }
        statements[entry] = statements[entry].map { $0 + "\n" + line } ?? line
    }
}
