import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct DatabaseComparisonTests {
    /// Statements for each side, and what the differences have to be.
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let source: String
        let target: String
        let differences: [String]
    }

    private static let cases = [
        Case(
            testDescription: "equal rows in another order",
            source: "CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x'), (2, NULL), (2, NULL)",
            target: "CREATE TABLE t (b text, a int); INSERT INTO t VALUES (NULL, 2), ('x', 1), (NULL, 2)",
            differences: []
        ),
        Case(
            testDescription: "a differing row",
            source: "CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2)",
            target: "CREATE TABLE t (a int); INSERT INTO t VALUES (1), (3)",
            differences: ["public.t: 1 row only in the source: [2]", "public.t: 1 row only in the target: [3]"]
        ),
        Case(
            testDescription: "missing rows, of which five are shown",
            source: "CREATE TABLE t AS SELECT generate_series(11, 17) AS a",
            target: "CREATE TABLE t (a int)",
            differences: ["public.t: 7 rows only in the source: [11], [12], [13], [14], [15], …"]
        ),
        Case(
            testDescription: "another number of duplicates",
            source: "CREATE TABLE t (a int, b int); INSERT INTO t VALUES (1, 2), (1, 2)",
            target: "CREATE TABLE t (a int, b int); INSERT INTO t VALUES (1, 2), (1, 2), (1, 2)",
            differences: ["public.t: 1 row only in the target: [1\t2]"]
        ),
        Case(
            testDescription: "NULL against empty text",
            source: "CREATE TABLE t (a text); INSERT INTO t VALUES (NULL)",
            target: "CREATE TABLE t (a text); INSERT INTO t VALUES ('')",
            differences: ["public.t: 1 row only in the source: [\\N]", "public.t: 1 row only in the target: []"]
        ),
        Case(
            testDescription: "line breaks in a value",
            source: "CREATE TABLE t (a text); INSERT INTO t VALUES (E'1\\n2')",
            target: "CREATE TABLE t (a text); INSERT INTO t VALUES ('1'), ('2')",
            differences: [
                "public.t: 1 row only in the source: [1\\n2]", "public.t: 2 rows only in the target: [1], [2]",
            ]
        ),
        Case(
            testDescription: "other columns",
            source: "CREATE TABLE t (a int, b int)",
            target: "CREATE TABLE t (a bigint, c int)",
            differences: [
                "public.t: b: column only in the source", "public.t: c: column only in the target",
                "public.t: a: integer in the source, bigint in the target",
            ]
        ),
        Case(
            testDescription: "tables on one side only, odd names, no columns",
            source:
                "CREATE SCHEMA \"O'dd\"; CREATE TABLE \"O'dd\".\"T x\" (); "
                + "CREATE TABLE \"same\"\"\" (\"A \"\" b\" int)",
            target: "CREATE TABLE b (); CREATE TABLE \"same\"\"\" (\"A \"\" b\" int)",
            differences: ["O'dd.T x: table only in the source", "public.b: table only in the target"]
        ),
        Case(
            testDescription: "rows without columns",
            source: "CREATE TABLE t (); INSERT INTO t DEFAULT VALUES; INSERT INTO t DEFAULT VALUES",
            target: "CREATE TABLE t (); INSERT INTO t DEFAULT VALUES",
            differences: ["public.t: 1 row only in the source: []"]
        ),
        Case(
            testDescription: "leaves of partitioned tables and heirs",
            source: """
                CREATE TABLE p (a int) PARTITION BY LIST (a); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
                INSERT INTO p VALUES (1); CREATE TABLE i (a int);
                CREATE TABLE j () INHERITS (i); INSERT INTO j VALUES (1)
                """,
            target: """
                CREATE TABLE p (a int) PARTITION BY LIST (a); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
                CREATE TABLE i (a int); CREATE TABLE j () INHERITS (i); INSERT INTO i VALUES (1)
                """,
            differences: [
                "public.i: 1 row only in the target: [1]", "public.j: 1 row only in the source: [1]",
                "public.p1: 1 row only in the source: [1]",
            ]
        ),
    ]

    @Test(arguments: cases)
    func finds(_ example: Case) async throws {
        try await withDatabases(example.source, example.target) { source, target in
            let found = try await DatabaseComparison.differences(source: source, target: target)
            #expect(found == example.differences)
        }
    }

    @Test func ignoresWhatItIsToldTo() async throws {
        let tables = "CREATE TABLE t (a int); CREATE TABLE u (a int);"
        try await withDatabases(tables + "INSERT INTO t VALUES (1)", tables + "CREATE TABLE v ()") { source, target in
            let found = try await DatabaseComparison.differences(
                source: source, target: target, ignoringTables: ["public.t", "public.v"]
            )
            #expect(found == [])
        }
        try await withDatabases(
            "CREATE TABLE t AS SELECT 1::int AS a", "CREATE TABLE t AS SELECT 1::bigint AS a"
        ) { source, target in
            let found = try await DatabaseComparison.differences(source: source, target: target, comparingTypes: false)
            #expect(found == [])
        }
    }

    @Test func doesNotDependOnSettingsOfADatabase() async throws {
        let table = "CREATE TABLE t AS SELECT timestamptz '2024-02-03 04:05:06+00' AS at, 0.1::float8 AS x;"
        let settings = """
            DO $$BEGIN
                EXECUTE format('ALTER DATABASE %I SET timezone = ''Asia/Tokyo''', current_database());
                EXECUTE format('ALTER DATABASE %I SET datestyle = ''SQL, DMY''', current_database());
                EXECUTE format('ALTER DATABASE %I SET extra_float_digits = -3', current_database());
            END$$;
            """
        try await withDatabases(table, table + settings) { source, target in
            let found = try await DatabaseComparison.differences(source: source, target: target)
            #expect(found == [])
        }
    }

    @Test func comparesSequences() async throws {
        let source = "CREATE SEQUENCE a; CREATE SEQUENCE b; CREATE SEQUENCE c; SELECT nextval('b')"
        let target = "CREATE SEQUENCE a; CREATE SEQUENCE b; CREATE SEQUENCE d"
        try await withDatabases(source, target) { source, target in
            #expect(try await DatabaseComparison.differences(source: source, target: target) == [])
            let found = try await DatabaseComparison.differences(
                source: source, target: target, includingSequences: true
            )
            #expect(
                found == [
                    "public.c: sequence only in the source", "public.d: sequence only in the target",
                    "public.b: last_value 1, is_called true in the source, "
                        + "last_value 1, is_called false in the target",
                ]
            )
        }
    }

    @Test func copesWithManyRows() async throws {
        let table = "CREATE TABLE t AS SELECT i, md5(i::text) AS m FROM generate_series(1, 300000) AS i"
        let other = table + " ORDER BY i DESC; UPDATE t SET m = 'x' WHERE i = 150000"
        try await withDatabases(table, other) { source, target in
            let found = try await DatabaseComparison.differences(source: source, target: target)
            #expect(found.count == 2)
            #expect(found.last == "public.t: 1 row only in the target: [150000\tx]")
        }
    }

    private func withDatabases(
        _ source: String, _ target: String,
        _ body: ((Cluster, String), (Cluster, String)) async throws -> Void
    ) async throws {
        let sourceCluster = try await Cluster.shared(.source)
        let targetCluster = try await Cluster.shared(.target)
        let sourceDatabase = try await sourceCluster.createDatabase(prefix: "compare")
        let targetDatabase = try await targetCluster.createDatabase(prefix: "compare")
        try await sourceCluster.sql(source, database: sourceDatabase)
        try await targetCluster.sql(target, database: targetDatabase)
        try await body((sourceCluster, sourceDatabase), (targetCluster, targetDatabase))
        try await sourceCluster.dropDatabase(sourceDatabase)
        try await targetCluster.dropDatabase(targetDatabase)
    }
}
