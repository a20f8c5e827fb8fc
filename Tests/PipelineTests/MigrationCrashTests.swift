import Glibc
import TestSupport
import Testing

/// Whole migrations under load, each with one to four kills of anything at any moment before its switchover.
///
/// `tools/crash migration` makes many; without it this is a small fixed share. `CloneBlowTests` kill at each named point.
@Suite(.serialized, .timeLimit(.minutes(240)))
struct MigrationCrashTests {
    @Test func anythingMayDieAtAnyMoment() async throws {
        // What was committed last is lost with a server, and on the target that is much.
        var settings = ["synchronous_commit": "off"]
        let source = try await Cluster.start(name: "source of migrations", settings: settings)
        settings["wal_writer_delay"] = "10s"
        let target = try await Cluster.start(role: .target, name: "target of migrations", settings: settings)
        for number in 0..<(Campaign.size ?? 2) {
            let seed = Campaign.seed &+ UInt64(number)
            do {
                try await Rig.run(source: source, target: target, publication: nil, createsSlot: false) { rig in
                    var run = MigrationCrashRun(rig, seed: seed)
                    do {
                        try await run.run()
                    } catch {
                        Issue.record("migration \(number), seed \(seed): \(run.course): \(error)")
                        for server in [source, target] where server.serverPID == nil {
                            try? await server.startAgain()
                        }
                    }
                    if Campaign.isRunning {
                        print("migration \(number), seed \(seed): \(run.course)")
                        fflush(nil)
                    }
                }
            } catch {
                Issue.record("migration \(number), seed \(seed): \(error)")
            }
        }
        try await source.remove()
        try await target.remove()
    }
}
