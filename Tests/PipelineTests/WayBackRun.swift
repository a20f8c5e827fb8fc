import Glibc
import Observability
import TestSupport
import Testing

/// A migration that goes and returns a few times, with a kill in each turn, while applications write to whichever side
/// lets them.
struct WayBackRun {
    private enum Victim: String, CaseIterable {
        case follower, receive, transform, replay, switchover, source, target
    }

    private let rig: Rig
    private var random: SeededRandom
    /// How many kills there were.
    private(set) var kills = 0
    /// What happened, in words.
    private(set) var course = ""
    private var follower: RunningProgram?

    /// Two writers, each of which tries one side first, and then the other. What a side has taken is written down, and must
    /// be on both in the end: it would not be if both could be written to at a time. Nothing keeps them from the target
    /// before the first switchover, and they do not know it then.
    private static let writer = """
        first=$1 second=$2 me=$3 n=1
        while [ ! -e "$FOLDER/enough" ]; do
          for side in "$first" "$second"; do
            [ "$side" = "$SOURCE" ] || [ -e "$FOLDER/both" ] || continue
            said=$(psql -Xq -v ON_ERROR_STOP=1 -d "$side" -c "INSERT INTO app VALUES ($me, $n, nextval('numbers'))" 2>&1) && said=ok
            case $said in
              ok | *'duplicate key value violates unique constraint "app_pkey"'*)
                echo "$me $n" >>"$FOLDER/taken.$me"
                n=$((n + 1))
                break ;;
            esac
          done
          sleep 0.02
        done

        """

    init(_ rig: Rig, seed: UInt64) {
        self.rig = rig
        random = SeededRandom(seed: seed)
    }

    mutating func run(turns: Int) async throws {
        try await rig.onSource(
            """
            CREATE SEQUENCE numbers; CREATE TABLE app (me int, n int, number bigint UNIQUE, PRIMARY KEY (me, n));
            CREATE TABLE ledger (v text); ALTER TABLE ledger REPLICA IDENTITY FULL;
            INSERT INTO ledger SELECT 'row ' || i % 10 FROM generate_series(1, 1000) i;
            CREATE FUNCTION twice() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.ledger VALUES (''trigger''); RETURN NEW; END';
            CREATE TRIGGER once BEFORE INSERT ON app FOR EACH ROW EXECUTE FUNCTION twice();
            """)
        try rig.folder.write("writer.sh", Self.writer)
        follower = try await rig.startFollower()
        let writers = [
            try rig.start("exec sh \"$FOLDER/writer.sh\" \"$SOURCE\" \"$TARGET\" 1"),
            try rig.start("exec sh \"$FOLDER/writer.sh\" \"$TARGET\" \"$SOURCE\" 2"),
        ]
        for turn in 0..<turns {
            try await make(turn)
            if turn == 0 { try rig.folder.write("both", "") }
        }
        try await settle()
        try await expectTaken(atLeast: 5)
        try rig.folder.write("enough", "")
        for writer in writers { _ = try await writer.wait() }
        try await settle()
        try await rig.shell(
            "clone wait --for caught-up --timeout 60 --dir \"$SPOOL\"", timeout: .seconds(90)
        ).checked("wait")
        // Behind a fence nothing more is written: both sides are looked at as they are.
        try await makeTurn(turns)
        try await expectEqual()
        follower?.signal(SIGTERM)
        _ = try await follower?.wait()
        try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
    }

    // MARK: A turn

    private mutating func make(_ turn: Int) async throws {
        try await settle()
        try await expectTaken(atLeast: 3)
        // Somebody dies at some moment of the switchover, which takes about a second.
        let victim = Victim.allCases[Int.random(in: 0..<Victim.allCases.count, using: &random)]
        let pause = Int.random(in: 0...1200, using: &random)
        try await makeTurn(turn, killing: (victim, pause))
    }

    private func arguments(_ turn: Int) -> String {
        turn.isMultiple(of: 2) ? "switchover --fence --keep-way-back" : "switchback --fence"
    }

    /// Makes one switchover, with the same command again and again.
    private mutating func makeTurn(_ turn: Int, killing blow: (victim: Victim, pause: Int)? = nil) async throws {
        var blow = blow
        let deadline = ContinuousClock.now + .seconds(200)
        while true {
            let switchover = try rig.start(rig.cloneCommand(arguments(turn)))
            if let (victim, pause) = blow {
                try await Task.sleep(for: .milliseconds(pause))
                try await strike(victim, switchover)
                blow = nil
            }
            let ended = try await switchover.wait()
            // One that was killed, or failed, may have been made.
            if ended.succeeded || ended.stderr.contains("was switched over already, and goes back")
                || ended.stderr.contains("there is nothing to return from")
            {
                course += "turn \(turn) is made; "
                return
            }
            course += ended.signal.map { "ended by signal \($0); " } ?? "ended with \(ended.exitCode ?? -1); "
            try #require(ContinuousClock.now < deadline, "it does not help: \(course): \(ended)")
            try await settle()
        }
    }

    private mutating func strike(_ victim: Victim, _ switchover: RunningProgram) async throws {
        course += "kills \(victim.rawValue); "
        kills += 1
        switch victim {
        case .follower: follower?.kill()
        case .switchover: switchover.kill()
        case .source, .target:
            let server = victim == .source ? rig.source : rig.target
            try await server.killServer()
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...800, using: &random)))
            try await server.startAgain()
        default:
            guard let follower, let pid = try await rig.stage(victim.rawValue, of: follower) else { return }
            kill(pid, SIGKILL)
        }
    }

    /// Somebody follows.
    private mutating func settle() async throws {
        if let follower, follower.isRunning { return }
        course += "follows again; "
        follower = try rig.startClone("--follow")
        try await follower?.awaitLog(containing: "resuming: the copy of")
    }

    // MARK: What must be so

    /// The writers come through: one side can be written to.
    private func expectTaken(atLeast more: Int) async throws {
        for writer in 1...2 {
            let before = taken(by: writer)
            let deadline = ContinuousClock.now + .seconds(60)
            while taken(by: writer) < before + more {
                try #require(ContinuousClock.now < deadline, "no side can be written to: \(course)")
                try await Task.sleep(for: .milliseconds(20))
            }
        }
    }

    private func taken(by writer: Int) -> Int {
        let bytes = (try? rig.folder.read("taken.\(writer)")) ?? []
        return bytes.count { $0 == 0x0A }
    }

    private func expectEqual() async throws {
        var counts = DatabaseComparison.RowCounts()
        let found = try await DatabaseComparison.differences(
            source: (rig.source, rig.sourceDatabase), target: (rig.target, rig.targetDatabase),
            ignoringTables: ["walrelay.progress", "walrelay.migration"], includingSequences: true, counts: &counts)
        Campaign.report("way back", rig, kills: kills, migrations: 1, counts)
        #expect(found == [], "\(course)")
        for (side, database) in [(rig.source, rig.sourceDatabase), (rig.target, rig.targetDatabase)] {
            let wrong = try await side.sql(
                """
                SELECT me FROM generate_series(1, 2) me LEFT JOIN app USING (me)
                 GROUP BY me HAVING count(n) <> (CASE me WHEN 1 THEN \(taken(by: 1)) ELSE \(taken(by: 2)) END)
                    OR max(n) <> count(n)
                """, database: database)
            #expect(wrong == "", "what a side has taken is missing or doubled: \(course)")
            let triggered = try await side.sql(
                "SELECT (SELECT count(*) FROM app) - count(*) FROM ledger WHERE v = 'trigger'", database: database)
            #expect(triggered == "0", "\(course)")
        }
    }
}
