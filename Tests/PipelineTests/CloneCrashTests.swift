import Glibc
import TestSupport
import Testing

/// A copy that is killed again and again while the source is written to; `tools/crash clone` runs many kills.
@Suite(.serialized, .timeLimit(.minutes(30)))
struct CloneCrashTests {
    private static let seed = Int(Campaign.seed)
    private static let kills = Campaign.size ?? 4

    /// Mostly while rows are copied, where the copy is resumed.
    private static func point(_ random: inout SeededRandom) -> String {
        let others = ["before-slot", "after-snapshot", "after-indexes", "before-copy-done"]
        return switch Int.random(in: 0..<12, using: &random) {
        case 0: others[Int.random(in: 0..<others.count, using: &random)]
        case 1: "after-large-objects"
        case 2...5: "after-table:\(Int.random(in: 1...12, using: &random))"
        default: "after-part:\(Int.random(in: 1...60, using: &random))"
        }
    }

    @Test func randomMoments() async throws {
        try await Rig.runClone { rig in
            var random = SeededRandom(seed: UInt64(Self.seed))
            try await Load.prepare(rig)
            try await rig.onSource("SELECT lo_from_bytea(0, 'x') FROM generate_series(1, 20)")
            let load = try Load.start(rig, seconds: 8 + 3 * Self.kills, seed: Self.seed)
            try await rig.source.awaitSQL(
                "SELECT count(*) > 50 FROM pgbench_history", equals: "t", database: rig.sourceDatabase)
            let arguments = "--follow --table-jobs 3 --split-tables-larger-than 256kB"
            var follower: RunningProgram?
            var kills = 0
            for kill in 0...Self.kills where follower == nil {
                let point = kill < Self.kills ? Self.point(&random) : ""
                let clone = try rig.start("export WALRELAY_FAILPOINT='\(point)'; " + rig.cloneCommand(arguments))
                do {
                    try await clone.awaitLog(containing: "following the source's changes")
                    follower = clone
                } catch {
                    let finished = try await clone.wait()
                    kills += 1
                    #expect(finished.signal == SIGKILL, "kill \(kill) at \(point), seed \(Self.seed): \(finished)")
                }
            }
            try await load.wait().checked("pgbench")
            try await rig.shell(rig.cloneCommand("switchover"), timeout: .seconds(300)).checked("switchover")
            _ = try await follower?.wait()
            #expect(kills > 0)
            Campaign.report("one copy, random points", rig, kills: kills, migrations: 1, try await rig.expectCloned())
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
            try await rig.expectCleanedUp()
        }
    }
}
