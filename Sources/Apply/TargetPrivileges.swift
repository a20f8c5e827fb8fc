import Postgres

/// What a role of the target lacks, as the statement that gives it.
public enum TargetPrivileges {
    /// How the session's role comes to switch off triggers and foreign keys.
    public static func replicaRoleAdvice(_ connection: Connection) -> String {
        let provider = provider(connection)
        guard let grant = replicaRoleGrant(connection) else {
            return provider == .neon
                ? "Neon allows it to no role"
                : "before PostgreSQL 15 only a superuser may: ALTER ROLE \(Quoting.identifier(connection.user)) SUPERUSER; "
                    + "or connect as one"
        }
        return "run on the target as \(provider?.administrator ?? "a superuser"): \(grant)"
    }

    /// The statement that lets the session's role switch them off; nil where there is none.
    public static func replicaRoleGrant(_ connection: Connection) -> String? {
        let role = Quoting.identifier(connection.user)
        if let provider = provider(connection) { return provider.replicaRoleGrant(role) }
        return connection.serverVersion >= 150_000
            ? "GRANT SET ON PARAMETER session_replication_role TO \(role);" : nil
    }

    private static func provider(_ connection: Connection) -> Provider? { (try? Provider.of(connection)) ?? nil }

    /// Says that the session's role may not keep the target's position, and the GRANT.
    public static func progressAdvice(_ connection: Connection, _ error: PostgresError) -> String {
        let role = Quoting.identifier(connection.user)
        let database = Quoting.identifier(connection.database)
        return
            "the role \(role) may not keep the target's position in the table walrelay.progress (\(error.message)); run "
            + "on the target, in the database \(database), as the owner of it: \(progressGrant(connection))"
    }

    /// The statement that lets the session's role keep the position: what is missing of its making, or of the table that
    /// is there.
    public static func progressGrant(_ connection: Connection) -> String {
        let role = Quoting.identifier(connection.user)
        return switch (try? connection.progressTableState()) ?? .none {
        case .none: "GRANT CREATE ON DATABASE \(Quoting.identifier(connection.database)) TO \(role);"
        case .schema: "GRANT USAGE, CREATE ON SCHEMA walrelay TO \(role);"
        case .old: "ALTER TABLE walrelay.progress OWNER TO \(role);"
        case .present:
            "GRANT USAGE ON SCHEMA walrelay TO \(role); "
                + "GRANT SELECT, INSERT, UPDATE, DELETE ON walrelay.progress TO \(role);"
        }
    }
}
