import Catalog
import Logging
import Observability
import Postgres

/// What belongs to the source's database itself: settings, comment, connection limit and privileges.
///
/// What the target refuses is named, and does not stop the rest. Values are not logged: some settings are secrets.
package struct DatabaseProperties {
    package let source: Connection
    package let target: Connection
    /// How to open another session with the target.
    package let server: ConnectionString
    package let restoreOptions: [String]
    package let logger: Logger

    package init(
        source: Connection, target: Connection, server: ConnectionString, restoreOptions: [String], logger: Logger
    ) {
        self.source = source
        self.target = target
        self.server = server
        self.restoreOptions = restoreOptions
        self.logger = logger
    }

    private static let doing = "copying what belongs to the database"
    /// With a wrong value of one of these no session can begin, or none with the role's privileges.
    private static let risky: Set = ["local_preload_libraries", "role", "session_preload_libraries"]

    /// Gives the target's database what the source's has.
    package func run() throws {
        if !restoreOptions.contains("--no-comments") { try copyComment() }
        if !restoreOptions.contains("--no-acl") { try copyPrivileges() }
        try copyLimit()
        try copySettings()
    }

    private var database: String { "DATABASE \(Quoting.identifier(target.database))" }

    private func ask(_ columns: String) throws -> [String?] {
        try source.execute(
            "SELECT \(columns) FROM pg_catalog.pg_database d WHERE d.datname OPERATOR(pg_catalog.=) "
                + "pg_catalog.current_database()", doing: Self.doing
        ).row(0)
    }

    /// Runs a statement. One that the target refuses is only named.
    ///
    /// - Returns: the target took it.
    @discardableResult
    private func attempt(_ statement: String, _ what: String) throws -> Bool {
        do throws(PostgresError) {
            try target.execute(statement, doing: Self.doing)
            return true
        } catch {
            guard error.isOfStatement else { throw error }
            logger.warning("\(what) of the source's database is NOT on the target, which refuses it: \(error.message)")
            return false
        }
    }

    private func copyComment() throws {
        guard let comment = try ask("pg_catalog.shobj_description(d.oid, 'pg_database')")[0] else { return }
        try attempt("COMMENT ON \(database) IS \(Quoting.literal(comment))", "the comment")
    }

    private func copyLimit() throws {
        guard let limit = try ask("d.datconnlimit")[0].flatMap({ Int($0) }), limit >= 0 else { return }
        try attempt("ALTER \(database) CONNECTION LIMIT \(limit)", "the connection limit")
    }

    /// Privileges other than those that every database has. The owner's own go with the owner, whom the target chose.
    private func copyPrivileges() throws {
        let known = Set(try column(target, "SELECT rolname FROM pg_catalog.pg_roles"))
        guard try ask("d.datacl")[0] != nil else { return }
        let result = try source.execute(
            """
            SELECT r.rolname, a.is_grantable, pg_catalog.string_agg(DISTINCT a.privilege_type, ', ')
              FROM pg_catalog.pg_database d CROSS JOIN LATERAL pg_catalog.aclexplode(d.datacl) a
              LEFT JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) a.grantee
             WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
               AND a.grantee OPERATOR(pg_catalog.<>) d.datdba
             GROUP BY 1, 2 ORDER BY 1, 2
            """, doing: Self.doing)
        var statements = ["REVOKE ALL ON \(database) FROM PUBLIC"]
        var missing: [String] = []
        for index in 0..<result.rowCount {
            let row = result.row(index)
            guard let privileges = row[2] else { continue }
            if let role = row[0], !known.contains(role) {
                missing.append(role)
                continue
            }
            statements.append(
                "GRANT \(privileges) ON \(database) TO \(row[0].map { Quoting.identifier($0) } ?? "PUBLIC")"
                    + (row[1] == "t" ? " WITH GRANT OPTION" : ""))
        }
        if !missing.isEmpty {
            logger.warning(
                "privileges of the source's database are NOT given to roles that the target lacks: \(Figures.some(missing))"
            )
        }
        // At once, so that nobody is locked out in between.
        try attempt(statements.joined(separator: "; "), "the privileges")
    }

    private func copySettings() throws {
        let known = Set(try column(target, "SELECT rolname FROM pg_catalog.pg_roles"))
        let result = try source.execute(
            """
            SELECT r.rolname, pg_catalog.unnest(s.setconfig)
              FROM pg_catalog.pg_db_role_setting s
              JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) s.setdatabase
              LEFT JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) s.setrole
             WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
               AND (s.setrole OPERATOR(pg_catalog.=) 0 OR r.oid IS NOT NULL)
             ORDER BY 1 NULLS FIRST, 2
            """, doing: Self.doing)
        for index in 0..<result.rowCount {
            guard let setting = result.text(index, 1).flatMap({ StoredSetting($0) }) else { continue }
            if let role = result.text(index, 0) {
                let what = "the setting \(setting.name) for role \(Quoting.identifier(role))"
                if known.contains(role) {
                    try attempt("ALTER ROLE \(Quoting.identifier(role)) IN \(database) \(setting.assignment)", what)
                } else {
                    logger.warning("\(what) of the source's database is NOT on the target, which lacks the role")
                }
                continue
            }
            // A fence of a switchover is one.
            guard setting.name != "default_transaction_read_only" else { continue }
            guard try attempt("ALTER \(database) \(setting.assignment)", "the setting \(setting.name)"),
                Self.risky.contains(setting.name), let reason = trouble()
            else { continue }
            try target.execute("ALTER \(database) RESET \(setting.sqlName)", doing: Self.doing)
            logger.warning(
                """
                the setting \(setting.name) of the source's database is NOT on the target, where it would keep clone from \
                working: \(reason)
                """)
        }
    }

    /// Why a session that begins now would not do; nil when it would.
    private func trouble() -> String? {
        do {
            let session = try Connection(server, applicationName: DatabaseSession.applicationName)
            let user = try session.execute("SELECT CURRENT_USER", doing: Self.doing).text(0, 0)
            let own = try target.execute("SELECT CURRENT_USER", doing: Self.doing).text(0, 0)
            return user == own ? nil : "sessions would be those of role \(Quoting.identifier(user ?? ""))"
        } catch {
            return "\(error)"
        }
    }

    private func column(_ connection: Connection, _ sql: String) throws -> [String] {
        let result = try connection.execute(sql, doing: Self.doing)
        return result.column()
    }
}
