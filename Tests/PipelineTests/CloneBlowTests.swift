import Glibc
import TestSupport
import Testing

/// `clone`, its children and both servers killed at each step of a migration under load; the same command then
/// finishes, every row is there once, and nothing is left on either server.
///
/// `tools/crash clone` strikes every blow; without it this is a small fixed share.
@Suite(.serialized, .timeLimit(.minutes(60)))
struct CloneBlowTests {
    private static func text(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    private static let seed = text("WALRELAY_CRASH_SEED").flatMap { UInt64($0) } ?? 1
    /// Part of the names of the blows that are wanted.
    private static let wanted = text("WALRELAY_CRASH_BLOWS")
    private static let share = [
        "target, copy, during-table", "source, copy, after-slot", "clone, bounded clone, before-done",
        "target, switchover, after-fence",
    ]

    @Test func everyStep() async throws {
        // What is not flushed is lost with the server, and flushing takes its time there.
        let settings = ["synchronous_commit": "off", "wal_writer_delay": "10s"]
        let source = try await Cluster.start(name: "source that is hit", settings: settings)
        let target = try await Cluster.start(name: "target that is hit", settings: settings)
        let isCampaign = Self.text("WALRELAY_CRASH_SEED") != nil
        let blows = CloneBlow.all.filter { blow in
            guard isCampaign else { return Self.share.contains(blow.testDescription) }
            return Self.wanted.map { blow.testDescription.contains($0) } ?? true
        }
        try #require(!blows.isEmpty && (isCampaign || blows.count == Self.share.count))
        for (index, blow) in blows.enumerated() {
            let begun = ContinuousClock.now
            do {
                try await Rig.run(source: source, target: target, publication: nil, createsSlot: false) { rig in
                    try await rig.onSource(Rig.wholeSchema + Rig.wholeRows)
                    var run = CloneBlowRun(rig, blow, seed: Self.seed &+ UInt64(index))
                    do {
                        try await run.run()
                    } catch {
                        Issue.record("\(blow.testDescription), seed \(Self.seed): \(error)")
                        try? await source.startAgain()
                        try? await target.startAgain()
                    }
                    if isCampaign {
                        print("blow: \(blow.testDescription): \(run.course)\(ContinuousClock.now - begun)")
                    }
                }
            } catch {
                Issue.record("\(blow.testDescription), seed \(Self.seed): \(error)")
            }
        }
        try await source.remove()
        try await target.remove()
    }
}
