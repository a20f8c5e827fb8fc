import TestSupport
import Testing

/// The whole way from and to servers of all major versions that are there. All other suites go from the installed version
/// to the newest.
@Suite(.serialized, .timeLimit(.minutes(10)))
struct VersionTests {
    /// From each to the installed one, and to the newest, which is what people migrate to.
    private static let pairs: [[Int]] = {
        let newest = OtherServers.majors.max() ?? 0
        let toInstalled = OtherServers.majors.map { [$0, 0] }
        let toNewest = (OtherServers.majors.filter { $0 != newest } + [0]).map { [$0, newest] }
        return OtherServers.majors.isEmpty ? [] : toInstalled + toNewest + [[newest, newest]]
    }()

    /// Skipped, and so reported, as long as one of them is not there.
    @Test(.enabled(if: OtherServers.missing.isEmpty, "\(OtherServers.reason)"))
    func everyMajorIsTheVersionThatItsFolderSays() async throws {
        for major in OtherServers.known {
            let installation = try await OtherServers.installation(major)
            #expect(installation.major == major)
            let cluster = try await Cluster.start(name: "\(major)", installation: installation)
            #expect(try await cluster.sql("SHOW server_version_num").hasPrefix("\(major)"))
            try await cluster.remove()
        }
    }

    /// What the other suites prove, they prove with this one.
    @Test func theSharedTargetIsTheNewestThatIsThere() async throws {
        let there = OtherServers.majors + [try await PostgresInstallation.found().major]
        let target = try await Cluster.shared(.target)
        let wanted = try await PostgresInstallation.targetMajors()
        #expect(try await target.sql("SHOW server_version_num").hasPrefix("\(wanted[0])"))
        if wanted.count > 1 { #expect(wanted[0] == there.max()) }
        for major in wanted {
            let shared = try await Cluster.shared(.target, major: major)
            #expect(try await shared.sql("SHOW server_version_num").hasPrefix("\(major)"))
            #expect((shared === target) == (major == wanted[0]))
        }
    }

    /// - Parameter majors: source and target; 0 is the installed one.
    @Test(.enabled(if: !OtherServers.majors.isEmpty, "\(OtherServers.reason)"), arguments: pairs)
    func everythingArrives(_ majors: [Int]) async throws {
        let source = try await start(majors[0], "source")
        let target = try await start(majors[1], "target")
        for (cluster, major) in zip([source, target], majors) where major > 0 {
            #expect(try await cluster.sql("SHOW server_version_num").hasPrefix("\(major)"))
        }
        for kind in ["built in", "arrays", "user-defined", "extensions"] {
            try await allTypes(kind, source, target)
        }
        try await structure(source, target)
        // Definitions of a newer server need not be understood by an older one.
        if try await source.sql("SHOW server_version_num") <= target.sql("SHOW server_version_num") {
            for kind in ["built in", "arrays", "user-defined", "extensions"] {
                try await Rig.run(source: source, target: target, publication: nil, createsSlot: false) { rig in
                    try await rig.cloneTypes(kind)
                }
            }
            try await migration(source, target)
        }
        try await source.remove()
        try await target.remove()
    }

    private func migration(_ source: Cluster, _ target: Cluster) async throws {
        try await Rig.run(source: source, target: target, publication: nil, createsSlot: false) { rig in
            try await rig.onSource(Rig.wholeSchema + Rig.wholeRows)
            let follower = try rig.startClone("--follow")
            try await follower.awaitLog(containing: "following the source's changes")
            try await rig.onSource(Rig.wholeChanges)
            try await rig.shell(rig.cloneCommand("switchover --fence --compare")).checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            let differences = try await DatabaseComparison.differences(
                source: (source, rig.sourceDatabase), target: (target, rig.targetDatabase), includingSequences: true)
            #expect(differences == [])
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
            try await rig.expectCleanedUp()
        }
    }

    private func start(_ major: Int, _ name: String) async throws -> Cluster {
        try await Cluster.start(
            name: "\(name) \(major)", settings: ["logical_decoding_work_mem": "64kB"],
            installation: try await installation(major))
    }

    private func installation(_ major: Int) async throws -> PostgresInstallation {
        major == 0 ? try await .found() : try await OtherServers.installation(major)
    }

    private func allTypes(_ kind: String, _ source: Cluster, _ target: Cluster) async throws {
        let tables = try #require(TypeCase.all[kind]).enumerated().map { TypeTables(number: $0.offset, $0.element) }
        let schema = "CREATE SCHEMA odd;\n" + tables.map(\.schema).joined()
        try await Rig.run(schema, source: source, target: target, publication: nil) { rig in
            try await rig.onSource(tables.map(\.inserts).joined() + tables.map(\.changes).joined())
            try await rig.catchUp()
            try await rig.expectEqual()
            try await rig.onSource("BEGIN;\n" + tables.map(\.returns).joined() + "COMMIT;\n")
            try await rig.catchUp()
            try await rig.expectEqual()
        }
    }

    private static let schema = """
        CREATE TABLE keyed (id int PRIMARY KEY, v text, big text); ALTER TABLE keyed ALTER big SET STORAGE EXTERNAL;
        CREATE TABLE whole (v int, s text, twice int GENERATED ALWAYS AS (v * 2) STORED);
        ALTER TABLE whole REPLICA IDENTITY FULL;
        CREATE TABLE numbered (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text);
        CREATE TABLE keyless (v int);
        CREATE TABLE parts (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
        CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (50);
        CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (50) TO (100);

        """

    /// Rows of all identities, TOAST, TRUNCATE, partitions, and transactions that are streamed with parts undone.
    private func structure(_ source: Cluster, _ target: Cluster) async throws {
        try await Rig.run(Self.schema, source: source, target: target, publication: nil) { rig in
            let receive = try rig.stage("receive", ["--dir", rig.spool, "--segment-size", "64kB"])
            try await receive.awaitLog(containing: "streaming from slot")
            try await rig.onSource(
                """
                INSERT INTO keyed SELECT g, 'v', repeat(md5(g::text), 400) FROM generate_series(1, 20) g;
                UPDATE keyed SET v = 'w' WHERE id < 10; UPDATE keyed SET id = id + 100 WHERE id < 5;
                UPDATE keyed SET big = NULL WHERE id = 7; DELETE FROM keyed WHERE id = 8;
                INSERT INTO numbered (v) SELECT 'n' FROM generate_series(1, 20); UPDATE numbered SET v = 'm' WHERE id < 5;
                INSERT INTO keyless SELECT generate_series(1, 10); TRUNCATE keyless;
                INSERT INTO keyless SELECT generate_series(1, 5);
                INSERT INTO parts SELECT g, 'p' FROM generate_series(1, 99) g; UPDATE parts SET id = 0 WHERE id = 60;
                BEGIN;
                INSERT INTO whole SELECT i % 50, md5(i::text) FROM generate_series(1, 6000) i;
                SAVEPOINT a; INSERT INTO whole SELECT i, 'undone' FROM generate_series(1, 3000) i; ROLLBACK TO a;
                UPDATE whole SET s = 'changed' WHERE v = 7 AND s < '8';
                DELETE FROM whole WHERE v = 8 AND s < '4';
                COMMIT;
                """)
            try await source.awaitSQL(
                "SELECT stream_txns > 0 FROM pg_stat_replication_slots WHERE slot_name = '\(rig.name)'", equals: "t")
            receive.kill()
            _ = try await receive.wait()
            try await rig.awaitFreeSlot()
            try await rig.catchUp()
            try await rig.expectEqual()
            try await rig.receive("--drop-slot").checked("receive")
            #expect(try await rig.onSource("SELECT count(*) FROM pg_publication") == "0")
        }
    }
}
