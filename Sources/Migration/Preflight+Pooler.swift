import Catalog
import Postgres

// What stands between us and the servers.
extension Preflight {
    /// A pooler that gives each transaction another session of the server loses the settings, locks and temporary tables that
    /// a migration needs to keep.
    func lookForPoolers() throws {
        for (place, connection, server, option) in [
            (Finding.Place.source, source, options.source, "--source"), (.target, target, options.target, "--target"),
        ] where try isShared(connection, server) {
            fail(
                place, "connection",
                "a pooler stands before the server, and gives one session of it to several of its clients in turn",
                "name the host and port of the server itself with \(option)")
        }
    }

    /// Two sessions of ours are one session of the server. A pooler makes up its own process numbers, so with a server the
    /// first question answers it.
    private func isShared(_ connection: Connection, _ server: ConnectionString) throws -> Bool {
        guard try backend(connection) != "\(connection.backendPID)" else { return false }
        let other = try Connection(server, applicationName: DatabaseSession.applicationName)
        // The session that was given back last is taken first, unless another client is faster.
        for _ in 1...20 {
            let (first, second) = (try backend(connection), try backend(other))
            if try first == second || first != backend(connection) { return true }
        }
        return false
    }

    private func backend(_ connection: Connection) throws -> String {
        try text(connection, "SELECT pg_catalog.pg_backend_pid()")
    }
}
