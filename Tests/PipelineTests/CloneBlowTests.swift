import Glibc
import TestSupport
import Testing

/// `clone`, its children and both servers killed at each step of a migration under load; the same command then
/// finishes, every row is there once, and nothing is left on either server.
///
/// `tools/crash clone` strikes every blow; without it this is a small fixed share.
@Suite(.serialized, .timeLimit(.minutes(60)))
struct CloneBlowTests {
    private static let share = [
        "target, copy, after-definitions", "target, copy, after-copy-done",
        "clone, copy, before-slot + SELECT pg_catalog.txid_current()", "source, copy, after-slot",
        "clone, bounded clone, after-slot-drop", "source, bounded clone, replay",
    ]

    @Test func everyStep() async throws {
        // What was committed last is lost with a server, and on the target that is much.
        var settings = ["synchronous_commit": "off"]
        let source = try await Cluster.start(name: "source that is hit", settings: settings)
        settings["wal_writer_delay"] = "10s"
        let target = try await Cluster.start(role: .target, name: "target that is hit", settings: settings)
        let isCampaign = Campaign.isRunning
        let blows = CloneBlow.all.enumerated().filter { _, blow in
            guard isCampaign else { return Self.share.contains(blow.testDescription) }
            return Campaign.only.isEmpty || blow.testDescription.contains(Campaign.only)
        }
        try #require(!blows.isEmpty && (isCampaign || blows.count == Self.share.count))
        for (index, blow) in blows {
            let begun = ContinuousClock.now
            do {
                try await Rig.run(source: source, target: target, publication: nil, createsSlot: false) { rig in
                    try await rig.onSource(Rig.wholeSchema + Rig.wholeRows)
                    var run = CloneBlowRun(
                        rig, blow, seed: Campaign.seed &+ UInt64(index), notices: isCampaign ? nil : false)
                    do {
                        try await run.run()
                    } catch {
                        Issue.record("\(blow.testDescription), seed \(Campaign.seed): \(error)")
                        try? await source.startAgain()
                        try? await target.startAgain()
                    }
                    if isCampaign {
                        print("blow: \(blow.testDescription): \(run.course)\(ContinuousClock.now - begun)")
                        fflush(nil)
                    }
                }
            } catch {
                Issue.record("\(blow.testDescription), seed \(Campaign.seed): \(error)")
            }
        }
        try await source.remove()
        try await target.remove()
    }
}
