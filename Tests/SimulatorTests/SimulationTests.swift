import Simulator
import Testing
import Threading

/// Histories of a model source and a model target, with the real stages between them on a disk that forgets.
@Suite(.timeLimit(.minutes(5)))
struct SimulationTests {
    private static let histories: UInt64 = 40

    /// Runs histories on a thread of their own: they never wait for anything, and would keep others from running.
    private static func run(
        _ seeds: Range<UInt64>, _ change: @escaping @Sendable (inout HistoryOptions) -> Void = { _ in }
    ) async throws -> [HistoryResult] {
        try await Worker.run(name: "histories") {
            let simulation = try Simulation()
            return seeds.map { seed in
                var options = HistoryOptions(seed: seed)
                change(&options)
                return simulation.run(options)
            }
        }
    }

    @Test(arguments: [1, 1_001])
    func everyTransactionComesOnceAndInOrder(first: UInt64) async throws {
        var counts = HistoryCounts()
        for (index, result) in try await Self.run(first..<first + Self.histories).enumerated() {
            let seed = first + UInt64(index)
            #expect(
                result.failure == nil, "seed \(seed); again with tools/simulate --seed \(seed) --seeds 1 --story")
            counts.add(result.counts)
        }
        // Nothing is proved by trouble that does not come.
        for (name, count) in counts.all where name != "failed syncs" { #expect(count > 0, "no \(name)") }
    }

    /// Linux reports a failed sync once, and then shows what the disk never got.
    @Test func whatAFailedSyncLeftIsNotAcknowledged() async throws {
        var counts = HistoryCounts()
        for (index, result) in try await Self.run(1..<31, { $0.syncFails = true }).enumerated() {
            #expect(result.failure == nil, "tools/simulate --seed \(index + 1) --seeds 1 --story --sync-fails")
            counts.add(result.counts)
        }
        #expect(counts.all.contains { $0.0 == "failed syncs" && $0.1 > 10 })
    }

    @Test func aSeedSaysEverything() async throws {
        let first = try await Self.run(1..<6)
        let second = try await Self.run(1..<6)
        #expect(first.map(\.digest) == second.map(\.digest))
        #expect(first.map(\.counts) == second.map(\.counts))
        #expect(Set(first.map(\.digest)).count == 5)
    }

    /// PostgreSQL 16 and newer move a replication origin with an abort, too. A position that does the same loses rows.
    @Test func aPositionThatAnAbortMovesIsFound() async throws {
        let results = try await Self.run(1..<31) { $0.abortMovesPosition = true }
        let failures = results.compactMap(\.failure)
        #expect(failures.contains { $0.contains("is not what the source had there") }, "\(failures)")
        #expect(failures.count > 10)
    }

    /// What was acknowledged is gone, and the capture sees it.
    @Test func aDiskThatLiesIsFound() async throws {
        let results = try await Self.run(1..<31) { $0.syncLies = true }
        let failures = results.compactMap(\.failure)
        #expect(failures.contains { $0.contains("were acknowledged and are not here") }, "\(failures)")
        #expect(failures.count > 5)
    }
}
