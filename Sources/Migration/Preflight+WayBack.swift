import Capture
import Catalog
import Copying
import Observability
import Postgres
import Selection

// What the other direction needs of both servers.
extension Preflight {
    /// What keeps a migration from going on in the other direction once it is switched over. Each server is named as it is
    /// now: the target, which is then the source, and the source.
    ///
    /// - Throws: ``PostgresError`` when a server cannot be reached or asked.
    static func wayBackFindings(_ options: CloneOptions) throws -> [Finding] {
        var exchanged = options
        (exchanged.source, exchanged.target) = (options.target, options.source)
        exchanged.follows = true
        exchanged.publications = []
        // They act on what is applied, and stay where they are.
        exchanged.triggers = .copy
        let source = try Connection(exchanged.source, applicationName: DatabaseSession.applicationName)
        let target = try TargetDatabase(exchanged.target)
        let preflight = try Preflight(exchanged, source: source, target: target.connection)
        try preflight.attempt(.source, "settings") { try preflight.lookAtSettings() }
        try preflight.attempt(.source, "role") { try preflight.lookAtReplication() }
        try preflight.attempt(.target, "role") { try preflight.lookAtTargetRole() }
        try preflight.attempt(.source, "publication") { try preflight.lookAtPublishing() }
        try preflight.attempt(.target, "writing") { try preflight.lookAtWriting() }
        return preflight.findings.map { finding in
            let place: Finding.Place = finding.place == .source ? .target : finding.place == .target ? .source : .here
            return Finding(
                finding.status, place, "way back: \(finding.check)",
                "for the way back, on which source and target are exchanged: \(finding.detail)", remedy: finding.remedy,
                sql: finding.sql, statements: finding.statements, exitStatus: finding.exitStatus)
        }
    }

    /// Every table that is selected takes what applications write on the other side.
    func lookAtWriting() throws {
        let tables = try target.execute(
            """
            SELECT n.nspname, c.relname FROM pg_catalog.pg_class c
              JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
             WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND \(UserObject.namespace)
               AND NOT (pg_catalog.has_table_privilege(c.oid, 'SELECT') AND pg_catalog.has_table_privilege(c.oid, 'INSERT')
                 AND pg_catalog.has_table_privilege(c.oid, 'UPDATE') AND pg_catalog.has_table_privilege(c.oid, 'DELETE')
                 AND pg_catalog.has_table_privilege(c.oid, 'TRUNCATE'))
             ORDER BY 1, 2
            """, doing: "asking what the role may write to")
        let names = (0..<tables.rowCount).compactMap { index -> String? in
            guard let schema = tables.text(index, 0), let table = tables.text(index, 1),
                selection.includesData(schema: schema, table: table)
            else { return nil }
            return Quoting.qualified(schema, table)
        }
        guard !names.isEmpty else { return pass(.target, "writing", "role \"\(target.user)\" may write to all tables") }
        let role = Quoting.identifier(target.user)
        let grants = names.map { "GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON \($0) TO \(role);" }
        fail(
            .target, "writing", "role \"\(target.user)\" may not write to \(Figures.some(names))",
            grants.joined(separator: " "),
            .privilege, sql: grants)
    }
}
