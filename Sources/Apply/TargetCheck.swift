import Logging
import Postgres

/// Looks on the target for what behaves unlike plain tables while changes are applied, and says what to do about it.
public struct TargetCheck {
    let connection: Connection
    let logger: Logger

    /// So many objects of a kind are named, the others counted.
    private static let namedMax = 5

    /// Logs a warning for each kind of object that was found.
    func run() throws(PostgresError) {
        let names = try TargetCheck.names(on: connection)
        warn(
            names["trigger"], "triggers fire while changes are applied (ENABLE REPLICA or ALWAYS)",
            "let transform write their tables change by change with --ordered-table, or disable them")
        warn(
            names["rule"], "rules rewrite what is applied (ENABLE REPLICA or ALWAYS)",
            "disable them: ALTER TABLE … DISABLE RULE …")
        warn(
            names["deferrable"], "deferrable keys are not checked while changes are applied",
            "look for duplicates before the switch-over")
    }

    /// What was found, by kind: `trigger`, `rule`, `deferrable`.
    public static func names(on connection: Connection) throws(PostgresError) -> [String: [String]] {
        let found = try connection.execute(query, doing: "looking for triggers and deferrable keys")
        var names: [String: [String]] = [:]
        for row in 0..<found.rowCount {
            guard let kind = found.text(row, 0), let name = found.text(row, 1) else { continue }
            names[kind, default: []].append(name)
        }
        return names
    }

    /// Refuses a target on which triggers, foreign keys or rules would act on what is applied.
    ///
    /// - Throws: ``ApplyError`` with `unsuitableSession`, which names them.
    func refuseActing() throws(ApplyError) {
        let found: QueryResult
        do throws(PostgresError) {
            found = try connection.execute(TargetCheck.actingQuery, doing: "looking for triggers and foreign keys")
        } catch {
            throw ApplyError(error, batch: nil, table: nil)
        }
        let names = found.column()
        guard !names.isEmpty else { return }
        var list = names.prefix(TargetCheck.namedMax).joined(separator: ", ")
        if names.count > TargetCheck.namedMax { list += " and \(names.count - TargetCheck.namedMax) more" }
        throw ApplyError(
            .unsuitableSession,
            "without session_replication_role (--no-replica-role) these would act on what is applied: \(list); drop them "
                + "until the switchover, or ALTER TABLE … DISABLE TRIGGER … and DISABLE RULE …")
    }

    private func warn(_ names: [String]?, _ what: String, _ advice: String) {
        guard let names else { return }
        var list = names.prefix(TargetCheck.namedMax).joined(separator: ", ")
        if names.count > TargetCheck.namedMax { list += " and \(names.count - TargetCheck.namedMax) more" }
        logger.warning("on the target \(what): \(list); \(advice)")
    }

    /// Only this database's own tables; a role may read all of these catalogs.
    private static let query = """
        SELECT 'trigger', pg_catalog.format('%I on %I.%I', t.tgname, n.nspname, c.relname)
          FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE t.tgenabled IN ('A', 'R') AND NOT t.tgisinternal
        UNION ALL
        SELECT 'rule', pg_catalog.format('%I on %I.%I', r.rulename, n.nspname, c.relname)
          FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE r.ev_enabled IN ('A', 'R') AND c.relkind IN ('r', 'p')
        UNION ALL
        SELECT 'deferrable', pg_catalog.format('%I on %I.%I', o.conname, n.nspname, c.relname)
          FROM pg_catalog.pg_constraint o JOIN pg_catalog.pg_class c ON c.oid = o.conrelid
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE o.condeferrable AND o.contype IN ('p', 'u', 'x')
         ORDER BY 1, 2
        """

    /// What acts in an ordinary session. What belongs to a service's own tables is its own.
    private static let actingQuery = """
        SELECT name FROM (
          SELECT pg_catalog.format('trigger %I on %I.%I', t.tgname, n.nspname, c.relname) AS name, c.relowner
            FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           WHERE t.tgenabled IN ('O', 'A') AND NOT t.tgisinternal
           UNION ALL
          SELECT pg_catalog.format('foreign key %I of %I.%I', o.conname, n.nspname, c.relname), c.relowner
            FROM pg_catalog.pg_constraint o JOIN pg_catalog.pg_class c ON c.oid = o.conrelid
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           WHERE o.contype = 'f'
           UNION ALL
          SELECT pg_catalog.format('rule %I on %I.%I', r.rulename, n.nspname, c.relname), c.relowner
            FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           WHERE r.ev_enabled IN ('O', 'A') AND c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema'
             AND n.nspname !~ '^pg_') acting
         WHERE pg_catalog.pg_get_userbyid(relowner) <> ALL (\(Provider.reservedArray))
         ORDER BY 1
        """
}
