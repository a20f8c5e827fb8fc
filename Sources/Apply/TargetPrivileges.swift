import Postgres

/// What a role of the target lacks, as the statement that gives it.
public enum TargetPrivileges {
    /// How the session's role comes to switch off triggers and foreign keys.
    public static func replicaRoleAdvice(_ connection: Connection) -> String {
        let role = Quoting.identifier(connection.user)
        return connection.serverVersion >= 150_000
            ? "run on the target as a superuser: GRANT SET ON PARAMETER session_replication_role TO \(role);"
            : "before PostgreSQL 15 only a superuser may: ALTER ROLE \(role) SUPERUSER; or connect as one"
    }

    /// Says that the session's role may not use replication origins, as `error` shows, and the GRANT for the functions
    /// named, with the signatures that this server has.
    ///
    /// - Parameter functions: their names without `pg_replication_origin_`.
    public static func originAdvice(_ connection: Connection, functions: [String], _ error: PostgresError) -> String {
        "the role may not use replication origins (\(error.message)); run on the target, in the database "
            + "\(Quoting.identifier(connection.database)), as a superuser: \(grant(connection, functions))"
    }

    /// Says that the session's role can keep the position neither in an origin nor in a table, and the GRANT for the
    /// table: what is missing of its making, or of the table that is there.
    static func progressAdvice(_ connection: Connection, _ error: PostgresError) -> String {
        let role = Quoting.identifier(connection.user)
        let database = Quoting.identifier(connection.database)
        let hasTable = (try? connection.hasProgressTable()) ?? false
        let hasSchema =
            (try? connection.execute(
                "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = 'walrelay'", doing: "looking for the schema"
            ).rowCount) ?? 0 > 0
        let grant =
            hasTable
            ? "GRANT USAGE ON SCHEMA walrelay TO \(role); GRANT SELECT, INSERT, UPDATE ON walrelay.progress TO \(role);"
            : hasSchema
                ? "GRANT USAGE, CREATE ON SCHEMA walrelay TO \(role);"
                : "GRANT CREATE ON DATABASE \(database) TO \(role);"
        return "the role \(role) may keep the target's position neither in a replication origin nor in a table "
            + "(\(error.message)); run on the target, in the database \(database), as the owner of it: \(grant)"
    }

    private static func grant(_ connection: Connection, _ functions: [String]) -> String {
        let names = functions.map { "'pg_replication_origin_\($0)'" }.joined(separator: ", ")
        let sql =
            "SELECT pg_catalog.format('pg_catalog.%I(%s)', proname, "
            + "pg_catalog.pg_get_function_identity_arguments(oid)) FROM pg_catalog.pg_proc "
            + "WHERE pronamespace = 'pg_catalog'::pg_catalog.regnamespace "
            + "AND proname IN (\(names)) ORDER BY 1"
        guard let found = try? connection.execute(sql, doing: "looking for the origin's functions") else { return "" }
        let signatures = (0..<found.rowCount).compactMap { found.text($0, 0) }.joined(separator: ", ")
        return "GRANT EXECUTE ON FUNCTION \(signatures) TO \(Quoting.identifier(connection.user));"
    }
}
