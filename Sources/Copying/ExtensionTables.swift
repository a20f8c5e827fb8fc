import Catalog
import Logging
import Observability
import Postgres
import Selection

/// The rows that users added to tables of extensions: an extension marks its tables of configuration, and says which
/// of their rows its own script does not make (`pg_extension.extconfig`, `extcondition`).
package struct ExtensionTables {
    /// A table or a sequence of an extension.
    private struct Table {
        var name: String
        var isSequence: Bool
        /// `WHERE …`; empty for all rows.
        var condition: String
        /// Nil when it has none.
        var columns: String?
        var `extension`: String

        /// The rows that are the user's.
        var query: String { "SELECT \(columns ?? "") FROM ONLY \(name) \(condition)" }
    }

    package let source: SourceSnapshot
    package let target: Connection
    package let selection: Selection
    package let logger: Logger

    package init(source: SourceSnapshot, target: Connection, selection: Selection, logger: Logger) {
        self.source = source
        self.target = target
        self.selection = selection
        self.logger = logger
    }

    /// Copies the rows as the source's session sees them. What is there of an earlier copy is replaced.
    ///
    /// - Returns: what the target did not take, and why.
    package func copy() throws -> [String] {
        let tables = try tables()
        guard !tables.isEmpty else { return [] }
        // A table that another one refers to is emptied after that, and filled before it.
        var failed = try inOrder(tables.filter { !$0.isSequence }) { table in
            let condition = table.condition
            try target.execute("DELETE FROM ONLY \(table.name) \(condition)", doing: "emptying \(table.name)")
        }
        let names = Set(failed.map(\.table.name))
        failed += try inOrder(tables.filter { !names.contains($0.name) }) { table in
            let rows = try table.isSequence ? copySequence(table) : copyRows(table)
            if rows > 0 { logger.info("\(table.name) of extension \(table.extension): \(rows) rows") }
        }
        return failed.map { table, error in
            "\(table.name) of extension \(table.extension): the rows that users added are not on the target "
                + "(\(error.message)); its version there may be another. Copy them by psql"
        }
    }

    /// The tables whose rows of users are not the same on both sides, by their names.
    package func differing() throws -> [String] {
        try source.begin()
        return try tables().filter { table in
            let sum =
                table.isSequence
                ? "SELECT last_value, is_called FROM \(table.name)"
                : """
                SELECT pg_catalog.count(*), pg_catalog.md5(pg_catalog.string_agg(t::pg_catalog.text, ',' ORDER BY t::pg_catalog.text
                  COLLATE "C")) FROM (\(table.query)) t
                """
            let ours = try source.connection.execute(sum, doing: "comparing \(table.name)").row(0)
            do {
                return try target.execute(sum, doing: "comparing \(table.name)").row(0) != ours
            } catch let error as PostgresError where error.isOfStatement {
                // Its version there may be another.
                return true
            }
        }.map(\.name)
    }

    /// Does something with all tables; those that refer to others, or that others refer to, when these are done.
    private func inOrder(
        _ tables: [Table], _ body: (Table) throws -> Void
    ) throws -> [(table: Table, error: PostgresError)] {
        var waiting = tables
        while true {
            var failed: [(table: Table, error: PostgresError)] = []
            for table in waiting {
                do {
                    try body(table)
                } catch let error as PostgresError {
                    _ = try? target.execute("ROLLBACK", doing: "giving up \(table.name)")
                    guard error.isOfStatement else { throw error }
                    failed.append((table, error))
                }
            }
            guard failed.count < waiting.count, failed.contains(where: { $0.error.sqlState == .foreignKeyViolation })
            else { return failed }
            waiting = failed.map(\.table)
        }
    }

    private func copyRows(_ table: Table) throws -> Int {
        let reading = "reading \(table.name) on the source"
        let writing = "copying into \(table.name)"
        try source.begin()
        try target.execute("BEGIN", doing: writing)
        try target.execute(
            "COPY \(table.name)\(table.columns.map { " (\($0))" } ?? "") FROM STDIN", doing: writing)
        try source.connection.execute("COPY (\(table.query)) TO STDOUT", doing: reading)
        var rows = 0
        try source.connection.copyOut(doing: reading) { row in
            try target.putCopyData(row, doing: writing)
            rows += 1
        }
        while try source.connection.nextResult(doing: reading) != nil {}
        try target.endCopy(doing: writing)
        while try target.nextResult(doing: writing) != nil {}
        try target.execute("COMMIT", doing: writing)
        return rows
    }

    private func copySequence(_ table: Table) throws -> Int {
        try source.begin()
        let row = try source.connection.execute(
            "SELECT last_value, is_called FROM \(table.name)", doing: "reading \(table.name)"
        ).row(0)
        try target.query(
            "SELECT pg_catalog.setval($1::pg_catalog.regclass, $2::pg_catalog.int8, $3::pg_catalog.bool)",
            [table.name, row[0], row[1]], doing: "setting \(table.name)")
        return 0
    }

    private func tables() throws -> [Table] {
        let result = try source.connection.execute(Self.query, doing: "listing tables of extensions")
        return (0..<result.rowCount).compactMap { index in
            let row = result.row(index)
            guard let name = row[0], let schema = row[1], let table = row[2], selection.includes(extension: name),
                row[3] == "S" || selection.includesData(schema: schema, table: table)
            else { return nil }
            return Table(
                name: Quoting.qualified(schema, table), isSequence: row[3] == "S", condition: row[4] ?? "",
                columns: row[5], extension: Quoting.identifier(name))
        }
    }

    private static let query = """
        SELECT e.extname, n.nspname, c.relname, c.relkind, u.condition,
               (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(attname), ', ' ORDER BY attnum)
                  FROM pg_catalog.pg_attribute a
                 WHERE attrelid OPERATOR(pg_catalog.=) c.oid AND attnum OPERATOR(pg_catalog.>) 0 AND NOT attisdropped
                   AND coalesce(pg_catalog.to_jsonb(a) ->> 'attgenerated', '') OPERATOR(pg_catalog.=) '')
          FROM pg_catalog.pg_extension e
         CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(e.extconfig), pg_catalog.unnest(e.extcondition))
               WITH ORDINALITY AS u (oid, condition, place)
          JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) u.oid
          JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
         WHERE c.relkind IN ('r', 'S')
         ORDER BY e.extname, u.place
        """
}
