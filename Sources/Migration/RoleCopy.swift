import Logging
import Observability
import Postgres

/// Makes the source's roles on the target, as far as they are not there: attributes, passwords, settings, memberships.
/// A role that is there stays as it is.
struct RoleCopy {
    let source: Connection
    let target: Connection
    let copiesPasswords: Bool
    let logger: Logger

    private static let doing = "reading the source's roles"

    /// Makes what is missing, in one transaction: roles belong to the whole server, and are not dropped again.
    func run() throws {
        let there = Set(try column(target, "SELECT rolname FROM pg_catalog.pg_roles"))
        let missing = try column(
            source, "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname !~ '^pg_' ORDER BY rolname"
        ).filter { !there.contains($0) }
        guard !missing.isEmpty else { return logger.info("all roles of the source are on the target") }
        var statements = missing.map { "CREATE ROLE \(Quoting.identifier($0))" }
        for role in missing { statements += try definition(of: role) }
        statements += try memberships(of: Set(missing))
        // The text has passwords in it, as the source stores them: it must get into no log.
        // Only a superuser may say so.
        _ = try? target.execute(
            "SET log_statement = 'none'; SET log_min_error_statement = 'panic'",
            doing: "keeping passwords out of the server's log")
        try target.execute(
            "BEGIN;\n" + statements.joined(separator: ";\n") + ";\nCOMMIT", doing: "making roles on the target")
        logger.info("made roles on the target: \(Preflight.some(missing))")
    }

    private func column(_ connection: Connection, _ sql: String) throws -> [String] {
        let result = try connection.execute(sql, doing: Self.doing)
        return (0..<result.rowCount).compactMap { result.text($0, 0) }
    }

    private func definition(of role: String) throws -> [String] {
        let name = Quoting.identifier(role)
        let row = try source.query(
            """
            SELECT pg_catalog.concat_ws(' ', CASE WHEN rolsuper THEN 'SUPERUSER' ELSE 'NOSUPERUSER' END,
                     CASE WHEN rolinherit THEN 'INHERIT' ELSE 'NOINHERIT' END,
                     CASE WHEN rolcreaterole THEN 'CREATEROLE' ELSE 'NOCREATEROLE' END,
                     CASE WHEN rolcreatedb THEN 'CREATEDB' ELSE 'NOCREATEDB' END,
                     CASE WHEN rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END,
                     CASE WHEN rolreplication THEN 'REPLICATION' ELSE 'NOREPLICATION' END,
                     CASE WHEN rolbypassrls THEN 'BYPASSRLS' ELSE 'NOBYPASSRLS' END,
                     'CONNECTION LIMIT ' || rolconnlimit, 'VALID UNTIL ' || pg_catalog.quote_literal(rolvaliduntil)),
                   pg_catalog.shobj_description(oid, 'pg_authid')
              FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) $1
            """, [role], doing: Self.doing
        ).row(0)
        var statements = ["ALTER ROLE \(name) WITH \(row[0] ?? "")"]
        if copiesPasswords {
            let password = try source.query(
                "SELECT rolpassword FROM pg_catalog.pg_authid WHERE rolname OPERATOR(pg_catalog.=) $1", [role],
                doing: Self.doing
            ).text(0, 0)
            if let password { statements.append("ALTER ROLE \(name) PASSWORD \(Quoting.literal(password))") }
        }
        if let comment = row[1] { statements.append("COMMENT ON ROLE \(name) IS \(Quoting.literal(comment))") }
        return try statements + settings(of: role)
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

    private func memberships(of roles: Set<String>) throws -> [String] {
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
            return "GRANT \(Quoting.identifier(role)) TO \(Quoting.identifier(member))"
                + (result.text(index, 2) == "t" ? " WITH ADMIN OPTION" : "")
        }
    }
}
