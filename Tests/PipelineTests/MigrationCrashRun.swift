import Glibc
import Observability
import TestSupport
import Testing

/// A migration from the first command to the clean-up, in which something dies a few times; what that ends is started
/// again with the same command.
struct MigrationCrashRun {
    private enum Victim: String {
        case clone, receive, transform, replay, backend, target, source
    }

    private let rig: Rig
    private var random: SeededRandom
    private var starts = 0
    private var kills = 0
    /// What happened, in words.
    private(set) var course = ""

    private static let follow = "--follow --table-jobs 2 --split-tables-larger-than 256kB"
    /// Enough rows that a copy can be hit.
    private static let schema = """
        CREATE TABLE large (id int PRIMARY KEY, v text); CREATE INDEX ON large (v);
        INSERT INTO large SELECT i, md5(i::text) FROM generate_series(1, 60000) i;
        """

    init(_ rig: Rig, seed: UInt64) {
        self.rig = rig
        random = SeededRandom(seed: seed)
    }

    mutating func run() async throws {
        try await Load.prepare(rig)
        try await Load.preparePairs(rig)
        try await Load.prepareTurns(rig)
        try await rig.onSource(Self.schema)
        let load = try Load.startThatComesBack(rig, seed: Int.random(in: 1...1000, using: &random), turns: true)
        try await rig.source.awaitSQL(
            "SELECT count(*) > 20 FROM pgbench_history", equals: "t", database: rig.sourceDatabase)
        var follower = try start()
        let wanted = Int.random(in: 1...4, using: &random)
        for _ in 0..<wanted {
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...2500, using: &random)))
            follower = try await running(follower)
            try await strike(follower)
        }
        follower = try await following(follower)
        let rows = "SELECT count(*) + 50 FROM pgbench_history"
        let more = try await rig.onSource(rows)
        try await rig.source.awaitSQL(
            "SELECT count(*) >= \(more) FROM pgbench_history", equals: "t", database: rig.sourceDatabase)
        try await rig.shell(rig.cloneCommand("switchover --fence"), timeout: .seconds(240)).checked("switchover")
        let ended = try await follower.wait()
        #expect(ended.exitCode == 0, "\(course): \(ended)")
        try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
        load.signal(SIGTERM)
        _ = try await load.wait()
        try await rig.expectNothingLost("migration", kills: kills, migrations: 1)
        try await rig.expectNothingLeft()
    }

    // MARK: The clone that follows

    private mutating func start() throws -> RunningProgram {
        starts += 1
        return try rig.startClone(Self.follow)
    }

    /// The same, or another one if it has ended, which must have said that the same command helps.
    private mutating func running(_ follower: RunningProgram) async throws -> RunningProgram {
        guard !follower.isRunning else { return follower }
        let finished = try await follower.wait()
        let code = finished.exitCode ?? -1
        course += finished.signal.map { "clone ended by signal \($0); " } ?? "clone ended with \(code); "
        let codes = [Observability.ExitStatus.connection, .incomplete].map(\.rawValue)
        #expect(finished.signal == SIGKILL || codes.contains(code), "\(course): \(finished)")
        try #require(starts <= kills + 1, "the same command did not help: \(course): \(finished)")
        return try start()
    }

    /// Waits until a clone follows.
    private mutating func following(_ follower: RunningProgram) async throws -> RunningProgram {
        var follower = follower
        let deadline = ContinuousClock.now + .seconds(240)
        while true {
            follower = try await running(follower)
            let log = follower.stderr
            if log.contains("following the source's changes") || log.contains("resuming: the copy of") {
                return follower
            }
            try #require(ContinuousClock.now < deadline, "it hangs: \(course): \(log)")
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    // MARK: Kills

    /// Kills one of those that are there at this moment.
    private mutating func strike(_ follower: RunningProgram) async throws {
        var present: [(victim: Victim, pid: Int32)] = [(.clone, follower.pid), (.target, 0), (.source, 0)]
        for stage in [Victim.receive, .transform, .replay] {
            if let pid = try await rig.stage(stage.rawValue, of: follower) { present.append((stage, pid)) }
        }
        let backends = try await rig.target.sqlLines(
            """
            SELECT pid FROM pg_stat_activity
             WHERE datname = '\(rig.targetDatabase)' AND application_name ~ '^walrelay' ORDER BY pid
            """)
        present += backends.compactMap { Int32($0) }.randomElement(using: &random).map { [(.backend, $0)] } ?? []
        let (victim, pid) = present[Int.random(in: 0..<present.count, using: &random)]
        switch victim {
        case .target: try await restart(rig.target)
        case .source: try await restart(rig.source)
        case .backend:
            kill(pid, SIGKILL)
            // The server ends all sessions and recovers.
            try await rig.target.awaitSQL("SELECT count(*) FROM pg_stat_activity WHERE pid = \(pid)", equals: "0")
        case .clone:
            kill(pid, SIGKILL)
            // Or it would be taken for one that follows.
            while follower.isRunning { try await Task.sleep(for: .milliseconds(5)) }
        default: kill(pid, SIGKILL)
        }
        kills += 1
        course += "killed \(victim.rawValue); "
    }

    private mutating func restart(_ server: Cluster) async throws {
        try await server.killServer()
        try await Task.sleep(for: .milliseconds(Int.random(in: 0...1500, using: &random)))
        try await server.startAgain()
    }
}
