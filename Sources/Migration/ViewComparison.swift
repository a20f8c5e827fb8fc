import Postgres

/// Writes the source's views as the target would: servers of different versions print the same query differently, and
/// what they print is all that pg_dump shows.
struct ViewComparison {
    private let target: Connection
    /// The queries as the source prints them, by what ``SchemaComparison/Difference/object`` calls their views.
    private let queries: [String: String]

    init(source: ConnectionString, target: ConnectionString) throws {
        self.target = try TargetDatabase(target).connection
        // Event triggers are for others; who may not switch them off may be stopped by one.
        _ = try? self.target.execute("SET session_replication_role = replica", doing: "switching off event triggers")
        queries = try Self.queries(TargetDatabase.connect(source, encoding: "UTF8"))
    }

    private static func queries(_ connection: Connection) throws -> [String: String] {
        let result = try connection.execute(
            """
            SELECT CASE c.relkind WHEN 'v' THEN 'VIEW ' ELSE 'MATERIALIZED VIEW ' END
                     OPERATOR(pg_catalog.||) n.nspname OPERATOR(pg_catalog.||) '.' OPERATOR(pg_catalog.||) c.relname,
                   pg_catalog.pg_get_viewdef(c.oid)
              FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
             WHERE c.relkind IN ('v', 'm') AND \(TargetDatabase.userNamespace)
            """, doing: "reading the queries of views")
        var queries: [String: String] = [:]
        for index in 0..<result.rowCount {
            guard let object = result.text(index, 0), let query = result.text(index, 1) else { continue }
            queries[object] = query
            // What pg_dump makes in two steps, has its query in the second.
            if object.hasPrefix("VIEW ") { queries["RULE " + object.dropFirst("VIEW ".count) + " _RETURN"] = query }
        }
        return queries
    }

    /// The definition with its query as the target prints it; the same when it has none, or the target does not take it.
    func translated(_ definition: String, of object: String) -> String {
        guard let query = queries[object], let printed = try? printed(query) else { return definition }
        let (ours, theirs) = (Self.body(query), Self.body(printed))
        return ours.isEmpty ? definition : definition.replacing(ours, with: theirs)
    }

    private func printed(_ query: String) throws -> String? {
        let doing = "printing the query of a view"
        defer { _ = try? target.execute("ROLLBACK", doing: doing) }
        try target.execute("BEGIN; CREATE TEMPORARY VIEW walrelay_compared AS \(query)", doing: doing)
        return try target.execute(
            "SELECT pg_catalog.pg_get_viewdef('pg_temp.walrelay_compared'::pg_catalog.regclass)", doing: doing
        ).text(0, 0)
    }

    /// What stands in a dump of it: pg_dump puts a semicolon of its own.
    private static func body(_ query: String) -> String {
        var body = Substring(query)
        while let last = body.last, last == ";" || last.isWhitespace { body.removeLast() }
        return String(body)
    }
}
