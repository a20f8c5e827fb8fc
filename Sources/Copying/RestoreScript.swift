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
package struct RestoreScript {
    /// What a session begins with.
    package private(set) var preamble: [String] = []
    private var texts: [Int: [String]] = [:]
    private var entry: Int?
    private var isHeading = false

    /// The statements of each entry, by its number in the archive.
    package var statements: [Int: String] {
        var texts = texts
        // Behind the last one stands when the script was complete.
        if let entry, let end = texts[entry]?.lastIndex(where: { $0.hasPrefix("-- Completed on ") }) {
            texts[entry]?.removeSubrange(end...)
        }
        return texts.mapValues { lines in
            var text = Substring(lines.joined(separator: "\n"))
            while text.last?.isWhitespace == true { text.removeLast() }
            return String(text.drop(while: \.isWhitespace))
        }
    }

    /// The next line.
    package mutating func take(_ line: String) {
        let heading = "-- TOC entry "
        if line.hasPrefix(heading), line.contains(" (class ") {
            // The line before it belongs to the heading.
            if let entry, texts[entry]?.last == "--" { texts[entry]?.removeLast() }
            entry = Int(line.dropFirst(heading.count).prefix { $0.isNumber })
            isHeading = true
            return
        }
        if isHeading {
            isHeading = line != "--"
            return
        }
        // They are psql's.
        guard !line.hasPrefix("\\restrict "), !line.hasPrefix("\\unrestrict ") else { return }
        guard let entry else {
            if line.hasPrefix("SET ") || line.hasPrefix("SELECT ") { preamble.append(line) }
            return
        }
        texts[entry, default: []].append(line)
    }
}
