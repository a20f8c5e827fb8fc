import Postgres
import TestSupport
import Threading

/// The shared server, as this module's tests reach it.
enum Server {
    /// A connection string for one of the shared server's databases.
    static func string(database: String = "postgres", user: String? = nil) async throws -> ConnectionString {
        let cluster = try await Cluster.shared(.source)
        return try ConnectionString(cluster.connectionString(database: database, user: user))
    }
}
