import Glibc
import Observability
import TestSupport
import Testing

/// Targets that do not take what they are given.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct ReplayRefusalTests {
    private static let schema = "CREATE TABLE t (id int PRIMARY KEY, code text UNIQUE, v text)"

    /// Expects a refusal that leaves the target as it was, and that goes away with its cause.
    private func expectRolledBack(
        _ rig: Rig, _ status: Int32, _ parts: [String], mending: String, location: SourceLocation = #_sourceLocation
    ) async throws {
        let before = try await rig.onTarget("SELECT string_agg(t::text, ';' ORDER BY id) FROM t")
        let position = try await rig.position()
        try await rig.capture()
        let refused = try await rig.shell("transform -q --from \"$(replay --position)\" \"$SPOOL\" | replay -q")
        #expect(refused.exitCode == status, "\(refused)", sourceLocation: location)
        #expect(refused.stderr.filter { $0 == "\n" }.count == 1, "\(refused.stderr)", sourceLocation: location)
        for part in parts + ["replay: error: batch"] {
            #expect(refused.stderr.contains(part), "\(refused.stderr)", sourceLocation: location)
        }
        let after = try await rig.onTarget("SELECT string_agg(t::text, ';' ORDER BY id) FROM t")
        #expect(after == before, sourceLocation: location)
        #expect(try await rig.position() == position, sourceLocation: location)
        try await rig.onTarget(mending)
        try await rig.apply()
        try await rig.expectEqual(location)
    }

    @Test func rowsAndConstraintsThatDiffer() async throws {
        try await Rig.run(Self.schema) { rig in
            try await rig.onSource("INSERT INTO t SELECT g, 'c' || g, 'v' FROM generate_series(1, 20) g")
            try await rig.catchUp()

            try await rig.onTarget("DELETE FROM t WHERE id = 3")
            try await rig.onSource("INSERT INTO t VALUES (30); UPDATE t SET v = 'w' WHERE id = 3")
            try await expectRolledBack(
                rig, 16, ["\"public\".\"t\"", "0 rows where the source changed 1"],
                mending: "INSERT INTO t VALUES (3, 'c3', 'v')")

            try await rig.onTarget("INSERT INTO t VALUES (40, 'secret value', 'x')")
            try await rig.onSource("INSERT INTO t VALUES (31); INSERT INTO t VALUES (41, 'secret value')")
            try await expectRolledBack(
                rig, 16, ["\"public\".\"t\"", "23505", "t_code_key"], mending: "DELETE FROM t WHERE id = 40")

            try await rig.onTarget("ALTER TABLE t ADD CONSTRAINT small CHECK (id < 100)")
            try await rig.onSource("DELETE FROM t WHERE id = 1; INSERT INTO t SELECT g FROM generate_series(90, 120) g")
            try await expectRolledBack(
                rig, 16, ["\"public\".\"t\"", "23514", "small"], mending: "ALTER TABLE t DROP CONSTRAINT small")

            try await rig.onTarget("ALTER TABLE t RENAME TO elsewhere; CREATE TABLE t (id int)")
            try await rig.onSource("UPDATE t SET v = 'x' WHERE id = 2")
            try await expectRolledBack(
                rig, 16, ["\"public\".\"t\"", "42703"], mending: "DROP TABLE t; ALTER TABLE elsewhere RENAME TO t")
        }
    }

    @Test func valuesDoNotReachTheMessage() async throws {
        try await Rig.run(Self.schema) { rig in
            try await rig.onTarget("INSERT INTO t VALUES (7, 'confidential', 'x')")
            try await rig.onSource("INSERT INTO t VALUES (1, 'confidential')")
            try await rig.capture()
            let refused = try await rig.shell("transform -q \"$SPOOL\" | replay -q")
            expectRefusal(refused, .conflict, "replay", "t_code_key")
            #expect(!refused.stderr.contains("confidential"))
        }
    }

    @Test func aBatchThatStraddlesThePosition() async throws {
        try await Rig.run(Self.schema) { rig in
            try await rig.onSource("INSERT INTO t VALUES (1)")
            try await rig.catchUp()
            try await rig.onSource("INSERT INTO t VALUES (2)")
            try await rig.capture()
            let position = try await rig.position()
            let refused = try await rig.shell("transform -q \"$SPOOL\" | replay -q")
            expectRefusal(refused, .straddling, "replay", "transform --from \(position)")
            try await rig.shell("transform --from \(position) \"$SPOOL\" | replay").checked("as advised")
            try await rig.expectEqual()
        }
    }

    @Test func aRoleThatMayNot() async throws {
        try await Rig.run(Self.schema) { rig in
            try await rig.onSource("INSERT INTO t VALUES (1)")
            try await rig.capture()
            let role = "\(rig.name)_role"
            try await rig.onTarget("CREATE ROLE \(role) LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO \(role)")
            let string = rig.target.connectionString(database: rig.targetDatabase, user: role)
            let replay = "transform -q \"$SPOOL\" | command replay -q --target '\(Secret.string(string))'"
            // Each message has the statement that removes its cause.
            for _ in 0..<2 {
                let refused = try await rig.shell(replay)
                expectRefusal(refused, .privilege, "replay", "GRANT ", "TO \"\(role)\";")
                let grant = try #require(refused.stderr.firstRange(of: "GRANT "))
                try await rig.onTarget(String(refused.stderr[grant.lowerBound...]))
            }
            try await rig.shell(replay).checked("granted")
            try await rig.onTarget("DROP SCHEMA walrelay CASCADE")
            try await rig.expectEqual()
            try await rig.onTarget("DROP OWNED BY \(role) CASCADE; DROP ROLE \(role)")
        }
    }
}
