extension Cluster {
    /// Creates an empty database with a name that no other test of the process has on this cluster.
    public func createDatabase(prefix: String = "test", options: String = "") async throws -> String {
        let name = "\(prefix)_\(databaseCounter.next())"
        try await sql("CREATE DATABASE \(Self.identifier(name)) TEMPLATE template0 \(options)")
        return name
    }

    /// Drops a database with its replication slots; sessions in it are ended.
    public func dropDatabase(_ database: String) async throws {
        let literal = "'" + database.replacing("'", with: "''") + "'"
        // Active slots hinder the drop and a killed WAL sender takes a moment to released its own.
        let release = """
            SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots
            WHERE database = \(literal) AND active_pid IS NOT NULL;
            DROP DATABASE IF EXISTS \(Self.identifier(database)) WITH (FORCE);
            """
        var attempt = 1
        while true {
            do {
                try await sql(release)
                return
            } catch let error as ClusterError {
                attempt += 1
                if attempt > 50 { throw error }
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// A name as SQL has it between double quotes.
    public static func identifier(_ name: String) -> String {
        "\"" + name.replacing("\"", with: "\"\"") + "\""
    }
}
