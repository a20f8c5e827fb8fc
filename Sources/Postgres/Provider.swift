/// A service that runs PostgreSQL and keeps the superuser to itself: what it calls things, and what is its own.
public enum Provider: String, Sendable, CaseIterable {
    /// Amazon RDS and Aurora.
    case rds = "Amazon RDS"
    /// Google Cloud SQL.
    case cloudSQL = "Google Cloud SQL"
    /// Azure Database for PostgreSQL, Flexible Server.
    case azure = "Azure Database for PostgreSQL"
    /// Neon.
    case neon = "Neon"
    /// Supabase.
    case supabase = "Supabase"

    /// Settings by which a server gives itself away: the first part of their names, and one that every session can ask for.
    private var setting: (prefix: String, name: String) {
        switch self {
        case .rds: ("rds.", "rds.extensions")
        case .cloudSQL: ("cloudsql.", "cloudsql.logical_decoding")
        case .azure: ("azure.", "azure.extensions")
        case .neon: ("neon.", "neon.timeline_id")
        case .supabase: ("supautils.", "supautils.reserved_roles")
        }
    }

    /// The role that no other server has, unless it was copied there: no service lets anybody be a superuser.
    private var role: String {
        switch self {
        case .rds: "rdsadmin"
        case .cloudSQL: "cloudsqladmin"
        case .azure: "azuresu"
        case .neon: "cloud_admin"
        case .supabase: "supabase_admin"
        }
    }

    /// The service that a session is with; nil for a server of one's own, and for services that are not known here.
    public static func of(_ connection: Connection) throws(PostgresError) -> Provider? {
        let columns = allCases.map { provider in
            let (prefix, name) = provider.setting
            return """
                (EXISTS (SELECT FROM pg_catalog.pg_settings
                          WHERE pg_catalog.starts_with(name, \(Quoting.literal(prefix))))
                  OR EXISTS (SELECT FROM pg_catalog.pg_roles r
                               JOIN pg_catalog.pg_roles me ON me.rolname = CURRENT_USER AND NOT me.rolsuper
                              WHERE r.rolname = \(Quoting.literal(provider.role)))
                  OR \(name == "supautils.reserved_roles" ? "false"
                    : "pg_catalog.current_setting(\(Quoting.literal(name)), true) IS NOT NULL"))
                """
        }
        // Before 11 there is no starts_with, and no such service has a version that old.
        guard connection.serverVersion >= 110_000 else { return nil }
        let result = try connection.execute(
            "SELECT \(columns.joined(separator: ", "))", doing: "asking whose server it is")
        return allCases.enumerated().first { result.text(0, $0.offset) == "t" }?.element
    }

    /// Roles that the services make and keep, by names that nobody else gives.
    private static let reservedRoles: Set<String> = [
        "rdsadmin", "rds_superuser", "rds_replication", "rds_iam", "rds_password", "rds_ad", "rds_extension",
        "rds_reserved", "rdsrepladmin", "rds_proxy", "rdstopmgr", "rdswriteforwarduser", "rdsproxyadmin",
        "cloudsqladmin", "cloudsqlsuperuser", "cloudsqlagent", "cloudsqliamuser", "cloudsqliamserviceaccount",
        "cloudsqliamgroup", "cloudsqliamgroupuser", "cloudsqliamgroupserviceaccount", "cloudsqlimportexport",
        "cloudsqlreplica", "cloudsqlconnpooladmin", "cloudsqlobservability", "cloudsqlinactiveuser",
        "azuresu", "azure_pg_admin", "azure_superuser", "neon_superuser", "cloud_admin", "neon_service",
        "supabase_admin", "supabase_auth_admin", "supabase_storage_admin", "supabase_functions_admin",
        "supabase_realtime_admin", "supabase_replication_admin", "supabase_read_only_user", "supabase_etl_admin",
        "supabase_privileged_role",
    ]

    /// Roles of the service with names that others have, too.
    private var ownRoles: Set<String> {
        switch self {
        case .azure: ["replication"]
        case .supabase:
            [
                "anon", "authenticated", "service_role", "authenticator", "dashboard_user", "pgbouncer",
                "pgsodium_keyholder", "pgsodium_keyiduser", "pgsodium_keymaker",
            ]
        default: []
        }
    }

    /// A role that a service made and keeps: it is never copied.
    ///
    /// - Parameter provider: whose server has the role.
    public static func isReserved(_ role: String, on provider: Provider?) -> Bool {
        reservedRoles.contains(role) || provider?.ownRoles.contains(role) == true
    }

    /// The names of ``isReserved(_:on:)`` that nobody else gives, as an array in SQL.
    public static let reservedArray =
        "'{\(reservedRoles.sorted().joined(separator: ","))}'::pg_catalog.name[]"

    /// Schemas whose contents are the service's own.
    public var schemas: [String] {
        self == .supabase
            ? [
                "auth", "storage", "realtime", "_realtime", "supabase_functions", "graphql", "graphql_public",
                "pgbouncer",
                "pgsodium", "pgsodium_masks", "vault", "net", "_analytics", "_supavisor", "supabase_migrations",
            ] : []
    }

    /// Schemas that a new database has before its user makes anything.
    public var initialSchemas: [String] { self == .supabase ? schemas + ["extensions"] : schemas }

    /// How a role comes to replicate, as statements; nil where that cannot be given.
    public func replicationGrant(_ role: String) -> String {
        self == .rds ? "GRANT rds_replication TO \(role);" : "ALTER ROLE \(role) REPLICATION;"
    }

    /// Who may give it.
    public var administrator: String {
        switch self {
        case .rds: "the master user (rds_superuser)"
        case .cloudSQL: "the user postgres, or another of cloudsqlsuperuser"
        case .azure: "the server's administrator (azure_pg_admin)"
        case .neon: "a role of neon_superuser, such as the project's owner"
        case .supabase: "the user postgres"
        }
    }

    /// How logical decoding is switched on.
    public var decodingAdvice: String {
        switch self {
        case .rds:
            "set rds.logical_replication = 1 in the parameter group of the instance (Aurora: of the cluster), and reboot it"
        case .cloudSQL: "set the database flag cloudsql.logical_decoding = on; the instance restarts"
        case .azure: "set wal_level = LOGICAL among the server's parameters, and restart it"
        case .neon: "switch on logical replication in the project's settings; all its computes restart"
        case .supabase: "it is on in every project: ask the support"
        }
    }

    /// How another setting of the server is changed.
    public func advice(setting name: String, to value: String) -> String {
        switch self {
        case .rds: "set \(name) = \(value) in the parameter group of the instance (Aurora: of the cluster)"
        case .cloudSQL: "set the database flag \(name) = \(value)"
        case .azure: "set \(name) = \(value) among the server's parameters"
        case .neon: "\(name) cannot be changed there: ask the support for \(value)"
        case .supabase: "run supabase postgres-config update --config \(name)=\(value)"
        }
    }

    /// How a role comes to set `session_replication_role`, as a statement; nil where no role may.
    public func replicaRoleGrant(_ role: String) -> String? {
        switch self {
        case .rds: "GRANT rds_superuser TO \(role);"
        case .cloudSQL, .azure: "ALTER ROLE \(role) REPLICATION;"
        case .neon: nil
        case .supabase: "GRANT SET ON PARAMETER session_replication_role TO \(role);"
        }
    }
}

// What is said of servers of one's own as well.
extension Optional<Provider> {
    /// How logical decoding is switched on.
    public var decodingAdvice: String {
        self?.decodingAdvice ?? "run ALTER SYSTEM SET wal_level = logical there and restart it"
    }

    /// How a setting of the server is changed.
    ///
    /// - Parameter restarts: the setting needs that.
    public func advice(setting name: String, to value: String, restarts: Bool) -> String {
        guard let self else {
            return restarts
                ? "run ALTER SYSTEM SET \(name) = \(value) there and restart it"
                : "run there: ALTER SYSTEM SET \(name) = \(value); SELECT pg_catalog.pg_reload_conf();"
        }
        return self.advice(setting: name, to: value) + (restarts ? ", and restart it" : "")
    }

    /// The statement that lets a role replicate.
    public func replicationGrant(_ role: String) -> String {
        self?.replicationGrant(role) ?? "ALTER ROLE \(role) REPLICATION;"
    }
}
