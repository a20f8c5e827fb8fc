/// One of two compared databases.
struct ComparedSide: Sendable {
    /// `source` or `target`; also the beginning of its file names.
    let name: String
    let cluster: Cluster
    let database: String
    let timeout: Duration

    /// All tables by `schema.table`.
    func tables() async throws -> [String: ComparedTable] {
        let records = try await records(
            """
            SELECT n.nspname || '.' || c.relname, format('%I.%I', n.nspname, c.relname),
                a.attname, quote_ident(a.attname), format_type(a.atttypid, a.atttypmod)
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND \(Self.userSchema)
            ORDER BY 1, a.attname COLLATE "C"
            """
        )
        var tables: [String: ComparedTable] = [:]
        var lists: [String: [String]] = [:]
        for record in records {
            let name = record[0]
            var table = tables[name] ?? ComparedTable(select: "")
            if !record[2].isEmpty {
                table.columns[record[2]] = record[4]
                lists[name, default: []].append(record[3])
            }
            table.select = "SELECT \((lists[name] ?? []).joined(separator: ", ")) FROM ONLY \(record[1])"
            tables[name] = table
        }
        return tables
    }

    /// The state of all sequences by `schema.sequence`.
    func sequences() async throws -> [String: String] {
        let names = try await records(
            """
            SELECT n.nspname || '.' || c.relname, format('%I.%I', n.nspname, c.relname)
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND \(Self.userSchema)
            """
        )
        guard !names.isEmpty else { return [:] }
        let parts = names.map { "SELECT \(Self.literal($0[0])), last_value::text, is_called::text FROM \($0[1])" }
        let states = try await records(parts.joined(separator: "\nUNION ALL "))
        return Dictionary(states.map { ($0[0], "last_value \($0[1]), is_called \($0[2])") }) { first, _ in first }
    }

    /// Writes the sorted rows of query number `n` to the file `<name>.<n>`, all in one snapshot.
    func write(_ queries: [String], to folder: TemporaryFolder) async throws {
        var script = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;\n"
        for (number, query) in queries.enumerated() {
            let file = "'\(folder.path)/\(name).\(number)'"
            script +=
                "COPY (\(query)) TO STDOUT\n"
            script += "\\g |sort -S 256M -T '\(folder.path)' >\(file).new && mv \(file).new \(file)\n"
        }
        script += "COMMIT;\n"
        try await run(script).checked("psql")
    }

    private static let userSchema = "n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'walrelay')"

    private static func literal(_ text: String) -> String {
        "'" + text.replacing("'", with: "''") + "'"
    }

    /// The rows of a query. Names may contain anything, so fields and rows end with control characters.
    private func records(_ query: String) async throws -> [[String]] {
        let script = "\\pset fieldsep '\\037'\n\\pset recordsep '\\036'\n\(query);\n"
        // psql ends the last record by a line feed, whatever the separator.
        let output = try await run(script).checked("psql").stdout.dropLast()
        return output.split(separator: 0x1e).map { record in
            record.split(separator: 0x1f, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
        }
    }

    /// Runs psql with the settings that values as text depend on set alike on both sides.
    private func run(_ script: String) async throws -> Finished {
        let settings = [
            "DateStyle": "ISO,YMD", "IntervalStyle": "postgres", "TimeZone": "UTC", "bytea_output": "hex",
            "extra_float_digits": "3", "xmlbinary": "base64", "lc_monetary": "C", "search_path": "pg_catalog",
            "row_security": "off", "statement_timeout": "0",
        ]
        return try await cluster.psql(
            .text(script),
            database: database,
            environment: [
                "LC_ALL": "C", "PGOPTIONS": settings.map { "-c \($0.key)=\($0.value)" }.joined(separator: " "),
            ],
            timeout: timeout
        )
    }
}
