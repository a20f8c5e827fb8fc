import Glibc
import TestSupport
import Testing

/// Targets that cannot take a change for a while: replay stops where it is, and the same command continues afterwards.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct TargetTroubleTests {
    private static let schema = """
        CREATE TABLE t (id int PRIMARY KEY, v text, n int);
        CREATE TABLE ledger (v int, s text); ALTER TABLE ledger REPLICA IDENTITY FULL;
        """

    /// What makes the target refuse, the statement that it refuses, what the error says, and what fixes it.
    struct Trouble: Sendable, CustomTestStringConvertible {
        let name: String
        let breaking: String
        let change: String
        let parts: [String]
        let mending: String

        var testDescription: String { name }
    }

    static let troubles = [
        Trouble(
            name: "a missing column", breaking: "ALTER TABLE t RENAME v TO w",
            change: "UPDATE t SET v = 'confidential' WHERE id = 7", parts: ["42703", "\"v\"", "\"public\".\"t\""],
            mending: "ALTER TABLE t RENAME w TO v"),
        Trouble(
            name: "another type", breaking: "ALTER TABLE t ALTER v TYPE int USING length(v)",
            change: "INSERT INTO t VALUES (1000, 'confidential \"value\"')",
            parts: ["22P02", "\"public\".\"t\"", "type integer: \"…\""],
            mending: "ALTER TABLE t ALTER v TYPE text USING 'x'"),
        Trouble(
            name: "NOT NULL", breaking: "ALTER TABLE t ALTER v SET NOT NULL",
            change: "UPDATE t SET v = NULL, n = 12345 WHERE id = 7", parts: ["23502", "\"public\".\"t\""],
            mending: "ALTER TABLE t ALTER v DROP NOT NULL"),
        Trouble(
            name: "a missing row", breaking: "DELETE FROM t WHERE id = 7",
            change: "UPDATE t SET n = 12345 WHERE id = 7",
            parts: ["0 rows where the source changed 1", "\"public\".\"t\""],
            mending: "INSERT INTO t VALUES (7, 'x', 7)"),
        Trouble(
            name: "a missing row of equal ones", breaking: "DELETE FROM ledger WHERE v = 3",
            change: "DELETE FROM ledger WHERE v = 3",
            parts: ["0 rows where the source changed 1", "\"public\".\"ledger\""],
            mending: "INSERT INTO ledger SELECT 3, 'x' FROM generate_series(1, 2)"),
        Trouble(
            name: "a missing table", breaking: "ALTER TABLE t RENAME TO hidden",
            change: "UPDATE t SET n = 12345 WHERE id = 7", parts: ["42P01", "\"public\".\"t\""],
            mending: "ALTER TABLE hidden RENAME TO t"),
    ]

    @Test(arguments: troubles, ["", "--spool \"$SPOOL\""])
    func replayStopsThereAndGoesOn(_ trouble: Trouble, _ log: String) async throws {
        try await Rig.run(Self.schema) { rig in
            try await rig.onSource(
                """
                INSERT INTO t SELECT g, 'x', g FROM generate_series(1, 20) g;
                INSERT INTO ledger SELECT g % 5, 'x' FROM generate_series(1, 10) g
                """)
            try await rig.catchUp()
            try await rig.onTarget(trouble.breaking)
            // Five batches of a row in a table where each counts; the third has the change that is refused.
            for number in 1...5 {
                try await rig.onSource(
                    "BEGIN; INSERT INTO ledger VALUES (\(100 + number), 'y'); \(number == 3 ? trouble.change : ""); COMMIT"
                )
            }
            try await rig.capture()
            let command = "transform -q --max-changes 1 --from \"$(replay --position)\" \"$SPOOL\" | replay -q \(log)"
            for _ in 0..<2 {
                let refused = try await rig.shell(command)
                #expect(refused.exitCode == 16, "\(refused)")
                #expect(!refused.stderr.contains("confidential"), "\(refused.stderr)")
                for part in trouble.parts {
                    #expect(refused.stderr.contains(part), "\(part): \(refused.stderr)")
                }
                #expect(
                    try await rig.onTarget("SELECT string_agg(v::text, ',') FROM ledger WHERE v > 100") == "101,102")
            }
            try await rig.onTarget(trouble.mending)
            try await rig.shell(command).checked("the same command")
            #expect(
                try await rig.onTarget("SELECT string_agg(v::text, ',' ORDER BY v) FROM ledger WHERE v > 100")
                    == "101,102,103,104,105")
            #expect(
                try await rig.onTarget("SELECT string_agg(t::text, ';' ORDER BY id) FROM t")
                    == (try await rig.onSource("SELECT string_agg(t::text, ';' ORDER BY id) FROM t")))
        }
    }

    /// Mounting a file system of a few megabytes takes root, and in a container a privilege besides.
    private static let canMount: Bool = {
        guard getuid() == 0, let folder = try? TemporaryFolder("mount") else { return false }
        guard mount("tmpfs", folder.path, "tmpfs", 0, "size=64k") == 0 else { return false }
        umount(folder.path)
        return true
    }()

    @Test(.enabled(if: canMount, "mounting a tmpfs needs root"), arguments: ["", "--spool \"$SPOOL\""])
    func aFullDiskOfTheTargetStopsItAndNothingIsLost(_ log: String) async throws {
        let target = try await Cluster.start(role: .target, name: "small")
        // Only a tablespace is small: with a full disk for its WAL a server ends itself.
        let small = target.folder + "/small"
        try await Program.shell(
            "mkdir '\(small)' && mount -t tmpfs -o size=8m tmpfs '\(small)' && chmod 777 '\(small)'"
        )
        .checked("mount")
        defer { umount2(small, Int32(MNT_DETACH)) }
        try await Program.shell("install -d -m 700 -o $(stat -c %U '\(target.dataFolder)') '\(small)/space'").checked()
        try await target.sql("CREATE TABLESPACE small LOCATION '\(small)/space'")
        try await Rig.run(Self.schema, target: target) { rig in
            try await rig.onTarget("ALTER TABLE ledger SET TABLESPACE small")
            for number in 1...10 {
                try await rig.onSource(
                    """
                    BEGIN; INSERT INTO t VALUES (\(number));
                    INSERT INTO ledger SELECT \(number), repeat('z', 1000) FROM generate_series(1, 1000); COMMIT
                    """)
            }
            try await rig.capture()
            let command = "transform -q --max-changes 1 --from \"$(replay --position)\" \"$SPOOL\" | replay -q \(log)"
            let refused = try await rig.shell(command)
            #expect(refused.exitCode == 16 && refused.stderr.contains("53100"), "\(refused)")
            let batches = try #require(Int(try await rig.onTarget("SELECT count(*) FROM t")))
            #expect((1...9).contains(batches))
            #expect(try await rig.onTarget("SELECT count(*) FROM ledger") == "\(batches * 1000)")
            try await Program.shell("mount -o remount,size=64m '\(small)'").checked("remount")
            try await rig.shell(command).checked("the same command")
            try await rig.expectEqual()
            try await rig.onTarget("DROP TABLE ledger")
        }
        try await target.sql("DROP TABLESPACE small")
        try await target.remove()
    }
}
