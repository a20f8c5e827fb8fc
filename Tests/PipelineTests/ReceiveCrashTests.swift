import Failpoints
import Glibc
import TestSupport
import Testing

/// `receive` killed at each named point and at random moments, under load, and the log that remains.
///
/// `tools/crash receive` runs many kills; without it this is a small fixed share.
@Suite(.serialized, .timeLimit(.minutes(60)))
struct ReceiveCrashTests {
    private static let seed = Campaign.seed
    private static let kills = Campaign.size ?? 5

    @Test func everyNamedPoint() async throws {
        try await underLoad("named points") { rig, random in
            var kills = 0
            for point in Failpoint.allCases where point.owner == .receive {
                kills += 1
                switch point {
                case .beforeRepair, .afterRepair:
                    // There must be something to repair.
                    try await die(rig, at: .tornWrite, time: 3)
                    try await die(rig, at: point, time: 1)
                    kills += 1
                case .beforeHeader, .tornHeader, .afterHeader, .beforeSplice, .duringSplice, .afterSplice:
                    try await die(rig, at: point, time: 1)
                default:
                    try await die(rig, at: point, time: Int.random(in: 1...3, using: &random))
                }
            }
            return kills
        }
    }

    @Test func randomMoments() async throws {
        try await underLoad("random moments") { rig, random in
            var kills = 0
            while kills < Self.kills {
                let receive = try start(rig)
                // From before it is connected to well into the stream.
                try await Task.sleep(for: .milliseconds(Int.random(in: 10...700, using: &random)))
                receive.kill()
                let finished = try await receive.wait()
                #expect(finished.signal == SIGKILL, "kill \(kills) of seed \(Self.seed): \(finished)")
                kills += 1
                // Now and then it gets time to catch up, so that the log grows.
                if kills % 10 == 0 { try await rig.capture() }
            }
            return kills
        }
    }

    private func start(_ rig: Rig, failpoint: String = "") throws -> RunningProgram {
        try rig.start(
            """
            export \(Failpoint.variable)='\(failpoint)'
            exec receive --source "$SOURCE" --slot "$NAME" $PUBLICATION --dir "$SPOOL" --segment-size 64kB \
            --fsync-interval 20 --status-interval 1
            """)
    }

    private func die(_ rig: Rig, at point: Failpoint, time: Int) async throws {
        let finished = try await start(rig, failpoint: "\(point.rawValue):\(time)").wait(within: .seconds(60))
        #expect(finished.signal == SIGKILL, "\(point.rawValue) of seed \(Self.seed) was not reached: \(finished)")
    }

    // MARK: What remains

    /// Runs `body`, which says how many kills it made, while writers are at work, then compares the log with the source.
    private func underLoad(_ part: String, _ body: (Rig, inout SeededRandom) async throws -> Int) async throws {
        let source = try await Cluster.start(
            name: "crash source", settings: ["logical_decoding_work_mem": "64kB", "max_wal_size": "4GB"])
        try await Rig.run(source: source, createsSlot: false) { rig in
            try await Load.prepare(rig)
            try await Load.prepareTurns(rig)
            try await rig.copyByDump()
            try await rig.receive("--create-slot").checked("receive")
            // A second decoder, which nobody disturbs, says what was committed, and in which order.
            try await rig.onSource("SELECT pg_create_logical_replication_slot('witness', 'test_decoding')")
            var random = SeededRandom(seed: Self.seed)
            let load = try Load.startWithLargeTransactions(rig, seed: Int(Self.seed % 1_000_000))
            let kills = try await body(rig, &random)
            #expect(load.isRunning, "\(load.stderr)")
            load.signal(SIGINT)
            _ = try await load.wait()
            try await rig.capture()
            try await expectWholeLog(rig)
            try await rig.shell("transform \"$SPOOL\" | replay", timeout: .seconds(1_200)).checked("transform | replay")
            try await rig.expectNothingLost(part, kills: kills)
            try await rig.onSource("SELECT pg_drop_replication_slot('witness')")
        }
        try await source.remove()
    }

    private func expectWholeLog(_ rig: Rig) async throws {
        try await rig.shell("inspect verify \"$SPOOL\"").checked("inspect verify")
        try await rig.onSource(
            """
            \\o \(rig.folder.path)/witness
            SELECT substr(data, 8) FROM pg_logical_slot_peek_changes('witness', NULL, NULL, 'skip-empty-xacts', '1')
             WHERE data LIKE 'COMMIT %'
            """)
        // A transaction counts by its first change: the nudge at the end has none.
        let compared = try await rig.shell(
            """
            inspect show --json "$SPOOL" |
              sed -nE 's/^.*"kind":"begin".*"xid":"([0-9]+)".*$/\\1/p; s/^.*"kind":"(insert|update|delete|truncate)".*$/x/p' |
              awk '$1 != "x" { xid = $1; next } xid != "" { print xid; xid = "" }' >log
            wc -l <log; sort log | uniq -d | wc -l; cmp log witness >&2
            """, timeout: .seconds(600))
        #expect(
            compared.succeeded, "the log and the source differ in what was committed, or in which order: \(compared)")
        let counts = compared.outputLines.compactMap { Int($0) }
        #expect(counts.first ?? 0 > 100 && counts.last == 0, "\(compared)")
    }
}
