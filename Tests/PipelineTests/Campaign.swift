import Glibc
import TestSupport
import Testing

/// What `tools/crash` asks for, and how its runs report what they did. Without it, tests run a small fixed share.
enum Campaign {
    /// What random moments follow from.
    static let seed = number("WALRELAY_CRASH_SEED").map { UInt64($0) } ?? 1
    /// Kills at random moments, or migrations; nil outside a campaign.
    static let size = number("WALRELAY_CRASH_KILLS")
    /// Part of the names of what is wanted.
    static let only = text("WALRELAY_CRASH_ONLY") ?? ""
    /// Whether this is one.
    static var isRunning: Bool { text("WALRELAY_CRASH_SEED") != nil }

    private static func text(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
    private static func number(_ name: String) -> Int? { text(name).flatMap { Int($0) } }

    /// Prints what one part of a campaign really did, in a line that `tools/crash` adds up.
    ///
    /// - Parameters:
    ///   - part: which one.
    ///   - rig: where.
    ///   - kills: how many there were.
    ///   - migrations: how many there were.
    ///   - rows: what differed in the end.
    ///   - disorder: updates that came to the target after later ones of the same row.
    static func report(
        _ part: String, _ rig: Rig, kills: Int, migrations: Int = 0, _ rows: DatabaseComparison.RowCounts,
        disorder: Int = 0
    ) {
        guard isRunning else { return }
        let pair = "\(rig.source.installation.major)-\(rig.target.installation.major)"
        print(
            "campaign: pair=\(pair) part=\(part.replacing(" ", with: "_")) kills=\(kills) migrations=\(migrations) "
                + "lost=\(rows.onlyInSource) doubled=\(rows.onlyInTarget) disorder=\(disorder) seed=\(seed)")
        fflush(nil)
    }
}

extension Rig {
    /// Compares all rows and the order in which those of `Load.prepareTurns` changed, reports the counts, and fails where
    /// anything differs.
    func expectNothingLost(_ part: String, kills: Int, migrations: Int = 0, sequences: Bool = false) async throws {
        var counts = DatabaseComparison.RowCounts()
        let found = try await DatabaseComparison.differences(
            source: (source, sourceDatabase), target: (target, targetDatabase),
            ignoringTables: ["public.disorder", "walrelay.progress"], includingSequences: sequences, counts: &counts)
        let disorder = Int(try await onTarget("SELECT count(*) FROM disorder")) ?? -1
        Campaign.report(part, self, kills: kills, migrations: migrations, counts, disorder: disorder)
        #expect(found == [], "\(part), seed \(Campaign.seed)")
        #expect(disorder == 0, "\(part), seed \(Campaign.seed): updates that came after later ones of the same row")
        // Nothing is easily equal to nothing.
        #expect(Int(try await onTarget("SELECT count(*) FROM ledger")) ?? 0 > 5)
        #expect(try await onTarget("SELECT sum(turn) > 0 FROM turns") == "t")
    }
}
