extension Cluster {
    /// Copies this server while it runs, and starts the copy as its standby, which takes queries when this returns.
    ///
    /// - Parameter settings: override those of this server, and the defaults of a standby.
    public func startStandby(name: String, settings: [String: String] = [:]) async throws -> Cluster {
        let slot = "standby_\(databaseCounter.next())"
        try await sql("SELECT pg_create_physical_replication_slot('\(slot)', true)")
        let primary = connectionString(database: "postgres")
        let supervisor = try Cluster.supervisor(of: installation)
        guard try await supervisor.perform("backup \(primary)", within: .seconds(120)) == 0 else {
            throw Self.failure(name, "make it", "pg_basebackup failed", supervisor)
        }
        let all = [
            "unix_socket_directories": supervisor.folder, "primary_conninfo": primary, "primary_slot_name": slot,
            "hot_standby_feedback": "on", "wal_retrieve_retry_interval": "100ms",
        ].merging(settings) { $1 }
        let standby = try await Cluster.start(name, all, installation, supervisor)
        try await standby.awaitSQL("SELECT pg_is_in_recovery()", equals: "t")
        return standby
    }

    /// Makes a standby a server of its own, on a new timeline.
    public func promote() async throws {
        try await sql("SELECT pg_promote(true, 60)")
        try await awaitSQL("SELECT pg_is_in_recovery()", equals: "f")
    }

    /// Keeps a copy of the files of the server, which must be stopped.
    public func saveFiles() async throws { try await supervisor("save") }

    /// Puts the copy back in the files' place, as if nothing had happened since. The server must be stopped.
    public func restoreFiles() async throws { try await supervisor("restore") }

    private func supervisor(_ command: String) async throws {
        guard try await supervisor.perform(command, within: .seconds(60)) == 0 else {
            throw Self.failure(name, "\(command) its files", "the files cannot be copied", supervisor)
        }
    }
}
