import Glibc
import TestSupport
import Testing

/// Changes carry names. What was renamed while it changed, and has its old name again, is compared in a switchover: no definition
/// says of it that its changes went to another table or column.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CloneRenameTests {
    private static let tables = ["mine", "yours", "turned", "root_1", "leaf_1", "lent", "undisturbed"]

    private static let schema = """
        CREATE TABLE mine (id int PRIMARY KEY, v text); CREATE TABLE yours (id int PRIMARY KEY, v text);
        CREATE TABLE turned (id int PRIMARY KEY, a text, b text); CREATE TABLE lent (id int PRIMARY KEY, v text);
        CREATE TABLE root (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
        CREATE TABLE root_1 PARTITION OF root FOR VALUES FROM (0) TO (100);
        CREATE TABLE leaves (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
        CREATE TABLE leaf_1 PARTITION OF leaves FOR VALUES FROM (0) TO (5);
        CREATE TABLE leaf_2 PARTITION OF leaves FOR VALUES FROM (5) TO (100);
        CREATE TABLE undisturbed (id int PRIMARY KEY, v text);
        INSERT INTO mine SELECT i, 'mine' FROM generate_series(1, 9) i; INSERT INTO yours SELECT i, 'yours' FROM generate_series(1, 9) i;
        INSERT INTO turned SELECT i, 'a', 'b' FROM generate_series(1, 9) i; INSERT INTO lent SELECT i, 'lent' FROM generate_series(1, 9) i;
        INSERT INTO root SELECT i, 'root' FROM generate_series(1, 9) i; INSERT INTO leaves SELECT i, 'leaf' FROM generate_series(1, 9) i;

        """

    /// Exchanges the names of two tables, or of two columns of one.
    private static func exchange(_ one: String, _ two: String, columnsOf table: String? = nil) -> String {
        [(one, "other"), (two, one), ("other", two)].map { old, new in
            table.map { "ALTER TABLE \($0) RENAME \(old) TO \(new);" } ?? "ALTER TABLE \(old) RENAME TO \(new);"
        }.joined()
    }

    /// Each time the names are exchanged, something changes, and they are exchanged again.
    private static let changes: [String] = [
        "UPDATE mine SET v = 'right' WHERE id = 9", Self.exchange("mine", "yours"),
        "UPDATE mine SET v = 'wrong' WHERE id < 4", "DELETE FROM yours WHERE id = 8", Self.exchange("mine", "yours"),
        // In one transaction, and nothing of the table before or after.
        """
        BEGIN; \(Self.exchange("a", "b", columnsOf: "turned")) UPDATE turned SET a = 'wrong' WHERE id < 4;
        \(Self.exchange("a", "b", columnsOf: "turned")) COMMIT
        """,
        Self.exchange("root_1", "leaf_1"), "UPDATE leaf_1 SET v = 'wrong' WHERE id < 4",
        Self.exchange("root_1", "leaf_1"),
        // Whatever had the name is gone.
        """
        ALTER TABLE lent RENAME TO rest; CREATE TABLE lent (id int PRIMARY KEY, v text);
        ALTER PUBLICATION walrelay_publication ADD TABLE ONLY lent
        """,
        "INSERT INTO lent VALUES (77, 'wrong')", "DROP TABLE lent; ALTER TABLE rest RENAME TO lent",
        "INSERT INTO undisturbed SELECT i, 'new' FROM generate_series(1, 9) i",
        "ALTER TABLE undisturbed REPLICA IDENTITY FULL",
        "UPDATE undisturbed SET v = 'newer'", "ALTER TABLE undisturbed REPLICA IDENTITY DEFAULT",
    ]

    @Test(arguments: try await PostgresInstallation.targetMajors().prefix(1))
    func whatHadOtherNamesForAWhileIsCompared(_ targetMajor: Int) async throws {
        try await Rig.runClone(targetMajor: targetMajor) { rig in
            try await rig.onSource(Self.schema)
            let first = try await rig.startFollower()
            for change in Self.changes {
                try await rig.onSource(change.replacing("walrelay_publication", with: "\"\(rig.name)\""))
            }
            try await rig.onTargetAfterAll("SELECT count(*) FROM undisturbed WHERE v = 'newer'", equals: "9")
            #expect(first.stderr.contains("\"public\".\"mine\" was renamed, or its columns were"), "\(first.stderr)")
            // What the target has now is wrong, and no definition says so.
            #expect(try await rig.onTarget("SELECT count(*) FROM mine WHERE v = 'wrong'") == "3")
            first.signal(SIGTERM)
            _ = try await first.wait()
            let follower = try await rig.startFollower()
            let dry = try await rig.shell(rig.cloneCommand("switchover --dry-run")).checked("dry run").output
            for table in Self.tables {
                let isNamed = dry.contains("\"public\".\"\(table)\" (was renamed, or its columns were, since the copy)")
                #expect(isNamed == (table != "undisturbed"), "\(table): \(dry)")
            }
            let done = try await rig.shell(rig.cloneCommand("switchover --fence")).checked("switchover")
            let names = Self.tables.dropLast().sorted().map { "\"public\".\"\($0)\"" }.joined(separator: ", ")
            #expect(done.output.contains("\(names) brought over again"), "\(done)")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            try await rig.expectCloned()
        }
    }
}

extension CloneRenameTests {
    /// An attribute that is made again is empty in the rows that there are; a label that was another's for a while went to the target
    /// by its name.
    @Test(arguments: try await PostgresInstallation.targetMajors().prefix(1))
    func whatValuesMeantForAWhileIsCompared(_ targetMajor: Int) async throws {
        let exchange = ["'ok' TO 'other'", "'sad' TO 'ok'", "'other' TO 'sad'"]
            .map { "ALTER TYPE state RENAME VALUE \($0);" }.joined()
        try await Rig.runClone(targetMajor: targetMajor) { rig in
            try await rig.onSource(
                """
                CREATE TYPE state AS ENUM ('ok', 'sad'); CREATE TYPE point2 AS (a int, b int); CREATE DOMAIN states AS state[];
                CREATE TABLE parts (id int PRIMARY KEY, c point2[]); INSERT INTO parts VALUES (1, ARRAY[ROW(1, 2)::point2]);
                CREATE TABLE labels (id int PRIMARY KEY, s states); INSERT INTO labels VALUES (1, '{ok}');
                CREATE TYPE grows AS ENUM ('a'); CREATE TABLE undisturbed (id int PRIMARY KEY, g grows); INSERT INTO undisturbed VALUES (1, 'a');
                """)
            let follower = try await rig.startFollower()
            for statement in [
                "ALTER TYPE point2 DROP ATTRIBUTE b", "ALTER TYPE point2 ADD ATTRIBUTE b int", exchange,
                "INSERT INTO labels VALUES (2, '{sad}')", exchange,
            ] { try await rig.onSource(statement) }
            for side in [rig.onSource, rig.onTarget] { _ = try await side("ALTER TYPE grows ADD VALUE 'b'") }
            let done = try await rig.shell(rig.cloneCommand("switchover --fence")).checked("switchover")
            #expect(done.output.contains("\"public\".\"labels\", \"public\".\"parts\" brought over again"), "\(done)")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            try await rig.expectCloned()
        }
    }
}

extension Rig {
    fileprivate func onTargetAfterAll(_ query: String, equals value: String) async throws {
        try await target.awaitSQL(query, equals: value, database: targetDatabase)
    }
}
