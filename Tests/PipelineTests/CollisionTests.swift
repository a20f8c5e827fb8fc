import TestSupport
import Testing

/// Net changes that collide on the way to a state that is sound: values of a second unique or exclusion constraint that
/// pass from row to row.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CollisionTests {
    private static let schema = """
        CREATE TABLE t (id int PRIMARY KEY, code text UNIQUE, period int4range, note text,
            EXCLUDE USING gist (period WITH &&));
        CREATE TABLE other (id int PRIMARY KEY)
        """

    /// Each pair of rows swaps its codes, and its periods, by way of a third value.
    private static let swaps = (0..<6).map { pair in
        let (left, right) = (pair * 2, pair * 2 + 1)
        return """
            INSERT INTO other VALUES (\(pair));
            BEGIN;
            UPDATE t SET code = 'x', period = '[1000,1001)' WHERE id = \(left);
            UPDATE t SET code = 'c\(left)', period = int4range(\(left), \(left) + 1) WHERE id = \(right);
            UPDATE t SET code = 'c\(right)', period = int4range(\(right), \(right) + 1) WHERE id = \(left);
            COMMIT;
            """
    }.joined(separator: "\n")

    private func prepare(_ rig: Rig) async throws {
        try await rig.onSource(
            "INSERT INTO t SELECT g, 'c' || g, int4range(g, g + 1), repeat('n', 200) FROM generate_series(0, 20) g")
        try await rig.catchUp()
        try await rig.onSource(Self.swaps)
        try await rig.capture()
    }

    @Test(arguments: try await PostgresInstallation.withTargetMajors(["", "--max-changes 5", "--max-bytes 1kB"]))
    func theyAreAppliedInTheSourcesOwnOrder(_ cut: String, _ targetMajor: Int) async throws {
        try await Rig.run(Self.schema, targetMajor: targetMajor) { rig in
            try await prepare(rig)
            let applied = try await rig.shell(
                "transform \(cut) --from \"$(replay --position)\" \"$SPOOL\" | replay --spool \"$SPOOL\"")
            try applied.checked("transform | replay")
            #expect(applied.stderr.contains("applying the range again, in the source's own order"))
            #expect(applied.stderr.contains("in the source's own order; ") == false)
            try await rig.expectEqual()
        }
    }

    @Test func withoutTheLogTheErrorSaysWhatToRun() async throws {
        try await Rig.run(Self.schema) { rig in
            try await prepare(rig)
            let before = try await rig.position()
            let refused = try await rig.shell(
                "transform --from \"$(replay --position)\" \"$SPOOL\" | replay")
            #expect(refused.exitCode == 16, "\(refused)")
            #expect(refused.stderr.contains("transform --ordered --from \(before)"), "\(refused.stderr)")
            #expect(try await rig.position() == before)
            try await rig.apply("--ordered")
            try await rig.expectEqual()
        }
    }

    @Test func aRefusalThatIsNoCollisionNamesItsRow() async throws {
        try await Rig.run(Self.schema) { rig in
            try await prepare(rig)
            try await rig.onTarget("DELETE FROM t WHERE id = 3")
            let refused = try await rig.shell(
                "transform --from \"$(replay --position)\" \"$SPOOL\" | replay --spool \"$SPOOL\"")
            #expect(refused.exitCode == 16, "\(refused)")
            #expect(refused.stderr.contains("0 rows where the source changed 1"), "\(refused.stderr)")
        }
    }
}
