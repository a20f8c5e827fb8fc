import Glibc
import TestSupport
import Testing

/// Five switchovers and four switchbacks in a row, with a kill of anything in each, and applications that write to
/// whichever side lets them. `tools/crash wayback` makes many of these; without it this is a small fixed share.
@Suite(.serialized, .timeLimit(.minutes(240)))
struct WayBackCrashTests {
    @Test func anythingMayDieInAnyTurn() async throws {
        let source = try await Cluster.start(name: "source of turns")
        let target = try await Cluster.start(role: .target, name: "target of turns")
        for number in 0..<(Campaign.size ?? 1) {
            let seed = Campaign.seed &+ UInt64(number)
            try await Rig.run(source: source, target: target, publication: nil, createsSlot: false) { rig in
                var run = WayBackRun(rig, seed: seed)
                do {
                    try await run.run(turns: Campaign.isRunning ? 9 : 3)
                } catch {
                    Issue.record("seed \(seed): \(run.course): \(error)")
                    for server in [source, target] where server.serverPID == nil { try? await server.startAgain() }
                }
                if Campaign.isRunning {
                    print("seed \(seed): \(run.course)")
                    fflush(nil)
                }
            }
        }
        try await source.remove()
        try await target.remove()
    }
}
