// The schema `walrelay` has what a migration keeps on a server. Whoever owns it or a table in it can attach functions to it
// that run with the rights of each session that reads or writes there.
extension Connection {
    /// Checks that nothing in the schema `walrelay` can use the session's rights for someone else: that its tables are
    /// plain tables, on which nothing hangs that runs functions, and that they and the schema belong to the session's role,
    /// to a superuser, or to a role that can act as the session's anyway. A session that is not a superuser's also trusts
    /// the database's owner and roles that make roles.
    ///
    /// - Throws: ``PostgresError`` with `untrusted`, and what to run.
    public func checkOwnSchema() throws(PostgresError) {
        let doing = "looking at who owns the schema walrelay"
        let found = try execute(Self.untrustedQuery, doing: doing)
        guard let what = found.text(0, 0), let owner = found.text(0, 1) else { return }
        let changes = (0..<found.rowCount).compactMap { index in
            found.text(index, 0).map { "ALTER \($0) OWNER TO \(Quoting.identifier(user));" }
        }
        guard found.text(0, 2) == "t" else {
            throw PostgresError(
                .untrusted,
                "what is named \(what.drop { $0 != " " }.dropFirst()) is not a plain table, so that using it would run functions with the "
                    + "rights of the role \(Quoting.identifier(user)): drop its triggers, rules, policies, constraints and "
                    + "indexes that are not ours, or rename it if it is used for something else", doing: doing)
        }
        throw PostgresError(
            .untrusted,
            "\(what) belongs to the role \(Quoting.identifier(owner)), whose triggers and views there would run with the "
                + "rights of the role \(Quoting.identifier(user)): connect as \(Quoting.identifier(owner)), or, if nobody else "
                + "made it, run there as a superuser: \(changes.joined(separator: " "))", doing: doing)
    }

    /// Runs a statement that drops something of ours, without event triggers where the role may switch them off: they are for
    /// what users do.
    public func dropOwn(_ statement: String, doing: String) throws(PostgresError) {
        let isQuiet = (try? execute("SET session_replication_role = 'replica'", doing: doing)) != nil
        defer { if isQuiet { _ = try? execute("RESET session_replication_role", doing: doing) } }
        try execute(statement, doing: doing)
    }

    /// Finds what of the schema `walrelay` must not be used, by whom it is owned, and whether it is a table.
    public static let untrustedQuery = """
        SELECT o.what, r.rolname, o.is_plain
          FROM (SELECT 'SCHEMA walrelay' AS what, n.nspowner AS owner, true AS is_plain, 1 AS place
                  FROM pg_catalog.pg_namespace n WHERE n.nspname OPERATOR(pg_catalog.=) 'walrelay'
                 UNION ALL
                SELECT pg_catalog.format('TABLE walrelay.%I', c.relname), c.relowner,
                       c.relkind OPERATOR(pg_catalog.=) 'r' AND NOT c.relhasrules AND NOT c.relrowsecurity
                         AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t
                               WHERE t.tgrelid OPERATOR(pg_catalog.=) c.oid AND NOT t.tgisinternal)
                         AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k
                               WHERE k.conrelid OPERATOR(pg_catalog.=) c.oid AND k.contype NOT IN ('p', 'n'))
                         AND NOT EXISTS (SELECT FROM pg_catalog.pg_index i
                               WHERE i.indrelid OPERATOR(pg_catalog.=) c.oid
                                 AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL))
                         AND NOT EXISTS (SELECT FROM pg_catalog.pg_attrdef d
                               WHERE d.adrelid OPERATOR(pg_catalog.=) c.oid
                                 AND pg_catalog.pg_get_expr(d.adbin, d.adrelid) NOT IN ('clock_timestamp()', 'now()')), 2
                  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n
                    ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
                 WHERE n.nspname OPERATOR(pg_catalog.=) 'walrelay' AND c.relname IN ('progress', 'migration')) o
          JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) o.owner
          JOIN pg_catalog.pg_roles m ON m.rolname OPERATOR(pg_catalog.=) current_user
         WHERE NOT o.is_plain
            OR NOT (r.oid OPERATOR(pg_catalog.=) m.oid OR r.rolsuper OR pg_catalog.pg_has_role(r.oid, m.oid, 'MEMBER')
                    OR NOT m.rolsuper AND (r.rolcreaterole OR EXISTS (SELECT FROM pg_catalog.pg_database d
                         WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
                           AND d.datdba OPERATOR(pg_catalog.=) r.oid)))
         ORDER BY o.is_plain, o.place, o.what
        """
}
