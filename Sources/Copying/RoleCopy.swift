import Catalog
import Logging
import Observability
import Postgres

/// Makes the source's roles on the target, as far as they are not there: attributes, passwords, settings, memberships.
/// A role that is there stays as it is.
package struct RoleCopy {
    package let source: Connection
    package let target: Connection
    package let copiesPasswords: Bool
    package let logger: Logger

    package init(source: Connection, target: Connection, copiesPasswords: Bool, logger: Logger) {
        self.source = source
        self.target = target
        self.copiesPasswords = copiesPasswords
        self.logger = logger
    }

    private static let doing = "reading the source's roles"

    /// The session's role may read passwords, as only superusers may.
    package static func mayReadPasswords(_ source: Connection) -> Bool {
        (try? source.execute("SELECT rolpassword FROM pg_catalog.pg_authid LIMIT 1", doing: doing)) != nil
    }

    /// Makes what is missing, in one transaction: roles belong to the whole server, and are not dropped again. An attribute, a
    /// setting or a membership that the target's role may not give is passed over, and named.
    package func run() throws {
        let provider = try Provider.of(source)
        let there = Set(try column(target, "SELECT rolname FROM pg_catalog.pg_roles"))
        let missing = try column(
            source, "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname !~ '^pg_' ORDER BY rolname"
        ).filter { !there.contains($0) && !Provider.isReserved($0, on: provider) }
        guard !missing.isEmpty else { return logger.info("all roles of the source are on the target") }
        let readsPasswords = copiesPasswords && Self.mayReadPasswords(source)
        if copiesPasswords && !readsPasswords {
            logger.warning(
                "roles are copied without passwords, which role \"\(source.user)\" may not read; set them on the target"
            )
        }
        let isSuperuser = try target.execute(DatabaseSession.isSuperuserQuery, doing: Self.doing).text(0, 0) == "t"
        var optional: [(what: String, sql: String)] = []
        for role in missing {
            // Who makes someone an owner must be a member of that role.
            if !isSuperuser {
                optional.append(("membership in \(role)", "GRANT \(Quoting.identifier(role)) TO CURRENT_USER"))
            }
            optional += try definition(of: role, readsPasswords)
        }
        optional += try memberships(of: Set(missing)).filter { !Provider.isReserved($0.role, on: provider) }
            .map { ("a membership in \($0.role)", $0.sql) }
        // The text has passwords in it, as the source stores them: it must get into no log.
        // Only a superuser may say so.
        _ = try? target.execute(
            "SET log_statement = 'none'; SET log_min_error_statement = 'panic'",
            doing: "keeping passwords out of the server's log")
        let doing = "making roles on the target"
        var refused: [String] = []
        do {
            let creations = missing.map { "CREATE ROLE \(Quoting.identifier($0));" }.joined(separator: "\n")
            try target.execute("BEGIN;\n" + creations, doing: doing)
            for (what, sql) in optional {
                do throws(PostgresError) {
                    try target.execute("SAVEPOINT one; \(sql)", doing: doing)
                    try target.execute("RELEASE SAVEPOINT one", doing: doing)
                } catch {
                    guard error.isOfStatement else { throw error }
                    try target.execute("ROLLBACK TO SAVEPOINT one", doing: doing)
                    refused.append("\(what) (\(error.message))")
                }
            }
            try target.execute("COMMIT", doing: doing)
        } catch {
            _ = try? target.execute("ROLLBACK", doing: doing)
            throw error
        }
        logger.info("made roles on the target: \(Figures.some(missing))")
        if !refused.isEmpty {
            logger.warning("of roles, the target's role may not give \(Figures.some(refused))")
        }
    }

    private func column(_ connection: Connection, _ sql: String) throws -> [String] {
        let result = try connection.execute(sql, doing: Self.doing)
        return result.column()
    }

    private func definition(of role: String, _ readsPasswords: Bool) throws -> [(what: String, sql: String)] {
        let name = Quoting.identifier(role)
        let row = try source.query(
            """
            SELECT pg_catalog.concat_ws(' ', CASE WHEN rolinherit THEN 'INHERIT' ELSE 'NOINHERIT' END,
                     CASE WHEN rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END,
                     'CONNECTION LIMIT ' || rolconnlimit, 'VALID UNTIL ' || pg_catalog.quote_literal(rolvaliduntil)),
                   pg_catalog.shobj_description(oid, 'pg_authid'),
                   pg_catalog.concat_ws(' ', CASE WHEN rolsuper THEN 'SUPERUSER' END,
                     CASE WHEN rolcreaterole THEN 'CREATEROLE' END, CASE WHEN rolcreatedb THEN 'CREATEDB' END,
                     CASE WHEN rolreplication THEN 'REPLICATION' END, CASE WHEN rolbypassrls THEN 'BYPASSRLS' END)
              FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) $1
            """, [role], doing: Self.doing
        ).row(0)
        var statements = [(what: "attributes of \(role)", sql: "ALTER ROLE \(name) WITH \(row[0] ?? "")")]
        // One by one: the target's role may be allowed to give some of them.
        for attribute in (row[2] ?? "").split(separator: " ") {
            statements.append(("\(attribute) of \(role)", "ALTER ROLE \(name) \(attribute)"))
        }
        if readsPasswords {
            let password = try source.query(
                "SELECT rolpassword FROM pg_catalog.pg_authid WHERE rolname OPERATOR(pg_catalog.=) $1", [role],
                doing: Self.doing
            ).text(0, 0)
            if let password {
                statements.append(
                    ("the password of \(role)", "ALTER ROLE \(name) PASSWORD \(Quoting.literal(password))"))
            }
        }
        if let comment = row[1] {
            statements.append(("the comment on \(role)", "COMMENT ON ROLE \(name) IS \(Quoting.literal(comment))"))
        }
        return try statements + settings(of: role).map { ("a setting of \(role)", $0) }
    }

    /// Settings for all databases.
    private func settings(of role: String) throws -> [String] {
        let result = try source.query(
            """
            SELECT pg_catalog.unnest(s.setconfig) FROM pg_catalog.pg_db_role_setting s
              JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
             WHERE s.setdatabase = 0 AND r.rolname OPERATOR(pg_catalog.=) $1
            """, [role], doing: Self.doing)
        return (0..<result.rowCount).compactMap { index in
            result.text(index, 0).flatMap { StoredSetting($0) }
                .map { "ALTER ROLE \(Quoting.identifier(role)) \($0.assignment)" }
        }
    }

    private func memberships(of roles: Set<String>) throws -> [(role: String, sql: String)] {
        let result = try source.execute(
            """
            SELECT r.rolname, m.rolname, pg_catalog.bool_or(a.admin_option) FROM pg_catalog.pg_auth_members a
              JOIN pg_catalog.pg_roles r ON r.oid = a.roleid JOIN pg_catalog.pg_roles m ON m.oid = a.member
             GROUP BY 1, 2 ORDER BY 1, 2
            """, doing: Self.doing)
        return (0..<result.rowCount).compactMap { index in
            guard let role = result.text(index, 0), let member = result.text(index, 1),
                roles.contains(member) || roles.contains(role)
            else { return nil }
            return (
                role,
                "GRANT \(Quoting.identifier(role)) TO \(Quoting.identifier(member))"
                    + (result.text(index, 2) == "t" ? " WITH ADMIN OPTION" : "")
            )
        }
    }
}
