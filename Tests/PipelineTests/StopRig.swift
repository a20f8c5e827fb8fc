import Glibc
import TestSupport
import Testing

/// A program is stopped while it waits for something that does not come.
extension Rig {
    private static let programs: Set<String> = ["clone", "receive", "transform", "replay", "pg_dump", "pg_restore"]

    /// Keeps a transaction open until it is killed, once `condition` says that it is.
    func hold(_ cluster: Cluster, _ database: String, _ sql: String) async throws -> RunningProgram {
        let holder = try start(
            """
            exec psql -Xq -d '\(cluster.connectionString(database: database))' -c "SET application_name = 'holder'" \
            -c BEGIN -c "\(sql)" -c 'SELECT pg_sleep(300)'
            """)
        try await cluster.awaitSQL(
            """
            SELECT count(*) FROM pg_stat_activity WHERE application_name = 'holder' AND wait_event = 'PgSleep'
               AND datname = '\(database)'
            """, equals: "1")
        return holder
    }

    /// Ends that transaction.
    func release(_ holder: RunningProgram, _ cluster: Cluster, _ database: String) async throws {
        holder.killGroup()
        _ = try await cluster.sql(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE application_name = 'holder' AND datname = '\(database)'
            """)
    }

    /// Waits until a session of ours waits for what `condition` says.
    func awaitWaiting(
        _ cluster: Cluster, _ database: String, _ condition: String = "wait_event_type = 'Lock'"
    ) async throws {
        try await cluster.awaitSQL(
            """
            SELECT count(*) > 0 FROM pg_stat_activity
             WHERE datname = '\(database)' AND application_name LIKE 'walrelay%' AND (\(condition))
            """, equals: "t")
    }

    /// Stops a program, which must end within ten seconds (and what a busy machine adds), by a stop's exit code and words.
    func expectStop(
        _ program: RunningProgram, _ code: Int32, signal: Int32 = SIGTERM, within limit: Duration = .seconds(10),
        _ location: SourceLocation = #_sourceLocation
    ) async throws {
        let begun = ContinuousClock.now
        program.signal(signal)
        let ended = try await program.wait(within: .seconds(40))
        let time = ContinuousClock.now - begun
        #expect(time < limit + .milliseconds(1_500), "\(time): \(ended)", sourceLocation: location)
        #expect(ended.exitCode == code, "\(ended)", sourceLocation: location)
        let last = ended.stderr.split(separator: "\n").last ?? ""
        if code == 14 {
            #expect(last.contains(": error: stopped"), "\(ended)", sourceLocation: location)
            #expect(
                last.contains("same command") || last.contains("run it again"), "\(ended)", sourceLocation: location)
        }
        for words in ["fix the cause", "Fix the cause", "in PATH"] {
            #expect(!ended.stderr.contains(words), "\(ended)", sourceLocation: location)
        }
    }

    /// Nothing of ours is left: no process, no session, no slot in use, no slot half made.
    func expectQuiet(
        source hasSource: Bool = true, target hasTarget: Bool = true, _ location: SourceLocation = #_sourceLocation
    ) async throws {
        #expect(runningPrograms() == [], sourceLocation: location)
        let sessions = "FROM pg_stat_activity WHERE application_name LIKE 'walrelay%' AND datname = "
        if hasSource {
            try await source.awaitSQL(
                "SELECT count(*) \(sessions) '\(sourceDatabase)'", equals: "0", within: .seconds(3))
            try await source.awaitSQL(
                """
                SELECT count(*) FROM pg_replication_slots
                 WHERE database = '\(sourceDatabase)' AND (active OR confirmed_flush_lsn IS NULL)
                """, equals: "0", within: .seconds(3))
        }
        if hasTarget {
            try await target.awaitSQL(
                "SELECT count(*) \(sessions) '\(targetDatabase)'", equals: "0", within: .seconds(3))
        }
    }

    /// Programs of this rig that run, by the environment that they have from it.
    private func runningPrograms() -> [String] {
        guard let stream = opendir("/proc") else { return [] }
        defer { closedir(stream) }
        var found: [String] = []
        while let entry = readdir(stream) {
            let pid = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard Int32(pid) != nil else { continue }
            let name = read("/proc/\(pid)/comm").split(separator: "\n").first.map(String.init) ?? ""
            guard Self.programs.contains(name) else { continue }
            if read("/proc/\(pid)/environ").contains("FOLDER=\(folder.path)\0") { found.append("\(name) \(pid)") }
        }
        return found
    }

    private func read(_ path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16 << 10)
        while case let count = Glibc.read(descriptor, &piece, piece.count), count > 0 { bytes += piece[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }
}
