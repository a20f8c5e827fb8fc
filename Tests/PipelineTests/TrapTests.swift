import TestSupport
import Testing

/// Whatever stands before pg_catalog in the `search_path` of a database, none of our sessions uses it.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct TrapTests {
    private static let schema = """
        SET search_path = public, pg_catalog;
        CREATE TABLE t (id int PRIMARY KEY, v text, n numeric, a int[], big text);
        CREATE TABLE keyless (v text, f float8); ALTER TABLE keyless REPLICA IDENTITY FULL;
        CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
        CREATE TABLE parts_1 PARTITION OF parts DEFAULT; CREATE SEQUENCE loose;
        CREATE VIEW seen AS SELECT id FROM t;

        """
    private static let rows = """
        SET search_path = public, pg_catalog;
        INSERT INTO t SELECT g, 'v' || g, g / 3.0, ARRAY[g, NULL] FROM generate_series(1, 500) g;
        INSERT INTO keyless SELECT 'k' || g % 3, g / 7.0 FROM generate_series(1, 20) g;

        """
    /// What is copied, and not followed.
    private static let more = """
        CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM t; SELECT lo_from_bytea(0, 'large');

        """
    private static let changes = """
        SET search_path = public, pg_catalog;
        INSERT INTO t SELECT g, 'v' || g, g / 3.0, ARRAY[g, NULL], repeat(md5(g::text), 300)
          FROM generate_series(1000, 1100) g;
        UPDATE t SET v = 'changed' WHERE id % 7 = 0; DELETE FROM t WHERE id % 11 = 0; UPDATE t SET id = id + 5000 WHERE id = 3;
        INSERT INTO keyless VALUES ('late', 'NaN'), (NULL, -0.0); UPDATE keyless SET v = NULL WHERE v = 'k1';
        DELETE FROM keyless WHERE v = 'k2'; INSERT INTO parts SELECT generate_series(1, 50); SELECT nextval('loose');

        """

    private static let counter = NameCounter()

    private static func majors() async throws -> [[Int]] {
        let (installed, newest) = (
            try await PostgresInstallation.of(.source).major, try await PostgresInstallation.newest().major
        )
        return installed == newest ? [[installed, installed]] : [[installed, newest], [newest, newest]]
    }

    /// Runs `body` with servers of these versions, on which an ordinary user may set traps.
    private func run(_ majors: [Int], _ body: (Rig, Traps) async throws -> Void) async throws {
        let (source, target) = (
            try await Cluster.shared(.source, major: majors[0]), try await Cluster.shared(.target, major: majors[1])
        )
        let traps = Traps(role: "mallory_\(Self.counter.next())")
        for cluster in [source, target] { try await cluster.sql("CREATE ROLE \(traps.role)") }
        try await Rig.run(source: source, target: target, publication: nil, createsSlot: false) { rig in
            try await body(rig, traps)
        }
        for cluster in [source, target] { try await cluster.sql("DROP ROLE \(traps.role)") }
    }

    @Test(arguments: try await majors())
    func thePipelineStepsIntoNone(_ majors: [Int]) async throws {
        try await run(majors) { rig, traps in
            let second = "\(rig.targetDatabase)_psql"
            try await rig.onBoth(Self.schema)
            try await traps.set(rig.source, rig.sourceDatabase)
            try await traps.set(rig.target, rig.targetDatabase)
            try await rig.onTarget("SET search_path = public, pg_catalog;" + Traps.litter)
            try await rig.target.sql("CREATE DATABASE \(second) TEMPLATE \(rig.targetDatabase)")
            try await rig.target.sql("ALTER DATABASE \(second) SET search_path = evil, public, pg_catalog")
            #expect(try await traps.work(rig.source, rig.sourceDatabase))
            #expect(try await traps.work(rig.target, rig.targetDatabase))
            #expect(try await traps.work(rig.target, second))
            try await rig.receive("--create-slot").checked("receive")
            try await rig.onSource(Self.rows + Self.changes)
            try await rig.capture()
            let string = rig.target.connectionString(database: second)
            try await rig.shell(
                """
                transform --lanes 2 "$SPOOL" | replay --jobs 2 --jobs-min-changes 1 --spool "$SPOOL" || exit
                transform --ordered "$SPOOL" | psql -Xqo /dev/null -v ON_ERROR_STOP=1 -d '\(string)' || exit
                replay --position
                """
            ).checked("replay")
            try await rig.receive("--drop-slot").checked("receive")
            expectNone(rig, databases: [rig.targetDatabase, second])
            for (cluster, database) in [
                (rig.source, rig.sourceDatabase), (rig.target, rig.targetDatabase), (rig.target, second),
            ] { try await cluster.sql("ALTER DATABASE \(database) RESET ALL") }
            let differences = try await DatabaseComparison.differences(
                source: (rig.source, rig.sourceDatabase), target: (rig.target, second))
            #expect(differences == [])
            try await rig.target.dropDatabase(second)
        }
    }

    @Test(arguments: try await majors())
    func aMigrationStepsIntoNone(_ majors: [Int]) async throws {
        try await run(majors) { rig, traps in
            try await rig.onSource(Self.schema + Self.rows + Self.more)
            try await traps.set(rig.source, rig.sourceDatabase)
            // The traps themselves come with the copy.
            try await rig.target.sql(
                "ALTER DATABASE \(rig.targetDatabase) SET search_path = evil, public, pg_catalog")
            try await rig.shell(rig.cloneCommand("check")).checked("check")
            let follower = try rig.startClone("--follow")
            try await follower.awaitLog(containing: "following the source's changes")
            #expect(try await traps.work(rig.target, rig.targetDatabase))
            try await rig.onSource(Self.changes)
            try await rig.shell("clone status --dir \"$SPOOL\"").checked("status")
            for command in ["switchover --dry-run", "switchover --fence --compare", "compare"] {
                try await rig.shell(rig.cloneCommand(command)).checked(command)
            }
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
            expectNone(rig, databases: [rig.targetDatabase])
            try await rig.source.sql("ALTER DATABASE \(rig.sourceDatabase) RESET ALL")
            try await rig.target.sql("ALTER DATABASE \(rig.targetDatabase) RESET ALL")
            try await rig.expectCloned()
        }
    }

    private func expectNone(_ rig: Rig, databases: [String], _ location: SourceLocation = #_sourceLocation) {
        let sprung =
            Traps.sprung(rig.source, rig.sourceDatabase) + databases.flatMap { Traps.sprung(rig.target, $0) }
        #expect(sprung.isEmpty, "\(Set(sprung.map { $0.suffix(90) }).sorted().prefix(20))", sourceLocation: location)
    }
}
