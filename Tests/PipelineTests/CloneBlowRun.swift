import Glibc
import Observability
import TestSupport
import Testing

/// A whole migration under load, from the first command to the clean-up, with one blow; whatever the blow ends is run
/// again with the same command.
struct CloneBlowRun {
    let rig: Rig
    let blow: CloneBlow
    var random: SeededRandom
    /// What happened to the program that was hit.
    private(set) var course = ""
    private var holder: RunningProgram?
    /// The clone whose stages apply while another program is hit.
    private var follower: RunningProgram?
    private let notices: Bool?

    private static let follow = "--follow --table-jobs 3 --split-tables-larger-than 256kB"
    /// An index and a constraint that can be made to wait; there are no unlogged tables, which no server keeps over a
    /// crash.
    private static let schema = """
        DROP TABLE unlogged; CREATE TABLE held (id int PRIMARY KEY, v int); INSERT INTO held SELECT i, i FROM generate_series(1, 9) i;
        CREATE FUNCTION passing(int, int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
          'BEGIN PERFORM pg_catalog.pg_advisory_xact_lock_shared($1); RETURN $2; END';
        CREATE INDEX ON held (passing(42, v)); ALTER TABLE held ADD EXCLUDE (passing(43, id) WITH =);
        SELECT lo_from_bytea(0, 'x') FROM generate_series(1, 20);

        """

    /// - Parameter notices: whether a server that is hit stays away until the program has noticed it; nil leaves that to
    ///   the seed.
    init(_ rig: Rig, _ blow: CloneBlow, seed: UInt64, notices: Bool?) {
        self.rig = rig
        self.blow = blow
        self.notices = notices
        random = SeededRandom(seed: seed)
    }

    mutating func run() async throws {
        try await rig.onSource(Self.schema)
        try await Load.prepare(rig)
        let load = try Load.startThatComesBack(rig, seed: Int.random(in: 1...1000, using: &random))
        try await rig.source.awaitSQL(
            "SELECT count(*) > 20 FROM pgbench_history", equals: "t", database: rig.sourceDatabase)
        switch blow.phase {
        case .plainCopy:
            // It has everything only when nobody writes any more.
            try await end(load)
            try await complete("--table-jobs 3", .plainCopy)
        case .bounded:
            let first = try start(Self.follow, isHit: false)
            try await first.awaitLog(containing: "connected to the target", within: .seconds(60))
            first.kill()
            _ = try await first.wait()
            let rows = "SELECT count(*) > 300 FROM pgbench_history"
            try await rig.source.awaitSQL(rows, equals: "t", database: rig.sourceDatabase)
            try await end(load)
            try await complete(Self.follow + " --endpos current", .bounded)
        default:
            let follower = try await followed()
            if blow.phase == .switchover { self.follower = follower }
            try await complete("switchover --fence", .switchover)
            _ = try await follower.wait()
            try await complete("cleanup", .cleanup)
            try await end(load)
        }
        let counts = try await rig.expectCloned(sequences: !blow.movesSequences)
        Campaign.report("each step", rig, kills: 1, migrations: 1, counts)
        try await rig.expectNothingLeft()
        #expect(Int(try await rig.onTarget("SELECT count(*) FROM ledger")) ?? 0 > 5)
    }

    // MARK: The commands

    /// Has a clone follow.
    private mutating func followed() async throws -> RunningProgram {
        var follower: RunningProgram
        switch blow.phase {
        case .copy, .resumedCopy, .copyAnew:
            if blow.phase != .copy {
                let point = blow.phase == .copyAnew ? "after-definitions" : "after-table:9"
                let first = try await rig.clone(Self.follow, failpoint: point)
                #expect(first.signal == SIGKILL, "\(first)")
            }
            follower = try start(Self.follow, isHit: true)
            try await strike(follower)
        case .following:
            follower = try start(Self.follow, isHit: false)
            try await follower.awaitLog(containing: "connected to the target", within: .seconds(60))
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...800, using: &random)))
            try await strike(follower)
        default:
            follower = try start(Self.follow, isHit: false)
        }
        for attempt in 0... {
            if try await isFollowing(follower) {
                if attempt > 0 {
                    let isAnew = follower.stderr.contains("starting over")
                    course += isAnew ? "restarted by the second try; " : "resumed by the second try; "
                }
                return follower
            }
            let finished = try await follower.wait()
            try note(finished, attempt: attempt)
            follower = try start(Self.follow, isHit: false)
            if holder != nil {
                try await follower.awaitLog(containing: "dropped publication")
                try await letGo()
            }
        }
        return follower
    }

    /// Runs a command to its end, again if need be.
    private mutating func complete(_ arguments: String, _ phase: CloneBlow.Phase) async throws {
        var isHit = blow.phase == phase
        for attempt in 0... {
            let program = try start(arguments, isHit: isHit)
            if isHit { try await strike(program) }
            let finished = try await program.wait(within: .seconds(180))
            if finished.succeeded { return }
            // It had said so in its journal when it died.
            if finished.stderr.contains("was switched over at") { return }
            try #require(blow.phase == phase, "\(arguments) failed: \(finished)")
            try note(finished, attempt: attempt)
            isHit = false
        }
    }

    private func start(_ arguments: String, isHit: Bool) throws -> RunningProgram {
        var failpoint = ""
        if isHit {
            switch blow.place {
            case .point(let name, let time): failpoint = "\(name):\(time):stop"
            case .lock(let name, _, _), .child(let name?, _): failpoint = "\(name):1:stop"
            case .moment, .child(nil, _): break
            }
        }
        return try rig.start("export WALRELAY_FAILPOINT='\(failpoint)'; " + rig.cloneCommand(arguments))
    }

    /// Whether the clone follows in the end; false when it has ended.
    private func isFollowing(_ clone: RunningProgram) async throws -> Bool {
        let deadline = ContinuousClock.now + .seconds(120)
        while ContinuousClock.now < deadline {
            let isRunning = clone.isRunning
            let log = clone.stderr
            guard isRunning else { return false }
            if log.contains("following the source's changes") || log.contains("resuming: the copy of") { return true }
            try await Task.sleep(for: .milliseconds(20))
        }
        Issue.record("\(blow) hangs: \(clone.stderr)")
        return false
    }

    /// How the program ended, which must say that the same command helps; and that once is enough.
    private mutating func note(_ finished: Finished, attempt: Int) throws {
        course += finished.signal.map { "ended by signal \($0)" } ?? "ended with code \(finished.exitCode ?? -1)"
        course += "; "
        try #require(attempt == 0, "\(blow): the same command did not help: \(finished)")
        let code = blow.victim.isServer ? Observability.ExitStatus.connection : .incomplete
        let isExpected =
            blow.victim == .clone ? finished.signal == SIGKILL : finished.exitCode == code.rawValue
        #expect(isExpected, "\(blow): \(finished)")
    }

    // MARK: The blow

    private mutating func strike(_ program: RunningProgram) async throws {
        switch blow.place {
        case .moment: try await hit(program)
        case .point:
            try await program.awaitStop()
            try await hit(program)
        case .lock(_, let onSource, let statement):
            try await program.awaitStop()
            let server = onSource ? rig.source : rig.target
            let holder = try rig.start(
                """
                exec psql -Xqd "$\(onSource ? "SOURCE" : "TARGET")" -c 'BEGIN' -c "\(statement)" \
                -c 'SELECT pg_sleep(600)'
                """)
            try await server.awaitSQL(
                "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'", equals: "1")
            program.signal(SIGCONT)
            try await server.awaitSQL(
                """
                SELECT count(*) > 0 FROM pg_locks l JOIN pg_stat_activity a USING (pid)
                 WHERE NOT l.granted AND a.application_name ~ '^walrelay'
                """, equals: "t")
            try await hit(program)
            self.holder = holder
            // A slot that is being made waits for open transactions, also when its client is gone.
            if blow.victim != .clone || !statement.contains("txid") { try await letGo() }
        case .child(let after, let name):
            if after != nil { try await program.awaitStop() }
            program.signal(SIGCONT)
            while try await rig.stage(name, of: follower ?? program) == nil {
                guard program.isRunning else { return course += "there was no \(name) any more; " }
            }
            try await hit(program)
        }
    }

    /// Ends the session that the program was made to wait for.
    private mutating func letGo() async throws {
        guard let holder else { return }
        for server in [rig.source, rig.target] {
            _ = try await server.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)' AND datname IN "
                    + "('\(rig.sourceDatabase)', '\(rig.targetDatabase)')")
        }
        holder.kill()
        self.holder = nil
    }

    private mutating func hit(_ program: RunningProgram) async throws {
        switch blow.victim {
        case .clone: program.kill()
        case .source: try await hit(rig.source, program)
        case .target: try await hit(rig.target, program)
        default:
            if let pid = try await rig.stage(blow.victim.rawValue, of: follower ?? program) {
                kill(pid, SIGKILL)
            } else {
                course += "there was no \(blow.victim.rawValue) any more; "
            }
            program.signal(SIGCONT)
        }
    }

    /// The program notices at once, or only when the server is there again.
    private mutating func hit(_ server: Cluster, _ program: RunningProgram) async throws {
        let isNoticed = notices ?? Bool.random(using: &random)
        try await server.killServer()
        if isNoticed {
            program.signal(SIGCONT)
            let words = program.stderr.utf8.count
            let deadline = ContinuousClock.now + .seconds(5)
            while program.isRunning && program.stderr.utf8.count == words && ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(10))
            }
        }
        try await server.startAgain()
        program.signal(SIGCONT)
        course += isNoticed ? "noticed while the server was away; " : "noticed when the server was back; "
    }

    private func end(_ load: RunningProgram) async throws {
        load.signal(SIGTERM)
        _ = try await load.wait()
        try await rig.source.awaitSQL(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench'", equals: "0")
    }
}

extension Rig {
    /// Nothing of walrelay is left on servers that this rig has for itself.
    func expectNothingLeft(_ location: SourceLocation = #_sourceLocation) async throws {
        try await expectCleanedUp(location)
        let left = "SELECT count(*) FROM pg_stat_activity WHERE application_name ~ '^walrelay'"
        for server in [source, target] {
            try await server.awaitSQL(left, equals: "0")
            #expect(try await server.sql("SELECT slot_name FROM pg_replication_slots") == "", sourceLocation: location)
        }
    }
}

extension RunningProgram {
    /// Waits until it has stopped at its failpoint.
    func awaitStop() async throws {
        let deadline = ContinuousClock.now + .seconds(120)
        while !ReplayVictim.isStopped(pid) {
            try #require(isRunning, "the failpoint was not reached: \(stderr)")
            try #require(ContinuousClock.now < deadline, "the failpoint was not reached: \(stderr)")
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}
