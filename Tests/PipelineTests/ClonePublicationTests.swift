import Observability
import TestSupport
import Testing

/// What the user's own publication did not send for a while is brought over, or said; no definition shows afterwards that it did
/// not.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct ClonePublicationTests {
    private static let schema = """
        CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a SELECT i, 'copied' FROM generate_series(1, 9) i;
        CREATE TABLE b (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
        CREATE TABLE b_1 PARTITION OF b FOR VALUES FROM (0) TO (100); INSERT INTO b VALUES (1, 'copied');
        """

    private static func run(major: Int, publication: String, _ body: (Rig) async throws -> Void) async throws {
        try await Rig.run(
            source: .shared(.source, major: major),
            target: .shared(.target, major: PostgresInstallation.targetMajors()[0]),
            publication: nil, createsSlot: false
        ) { rig in
            try await rig.onSource("\(schema); CREATE PUBLICATION sends \(publication)")
            try await body(rig)
        }
    }

    private static func majors() async throws -> [Int] {
        [try await PostgresInstallation.of(.source).major, try await PostgresInstallation.targetMajors()[0]]
    }

    @Test(arguments: try await majors(), ["FOR ALL TABLES", "FOR TABLES IN SCHEMA public", "FOR TABLE a, b"])
    func whatItDidNotSendIsBroughtOver(_ major: Int, _ publication: String) async throws {
        guard major >= 15 || !publication.contains("SCHEMA") else { return }
        try await Self.run(major: major, publication: publication) { rig in
            let follower = try await rig.startFollower("--publication sends")
            for statement in [
                "ALTER PUBLICATION sends SET (publish = 'insert')", "UPDATE a SET v = 'lost' WHERE id = 3",
                "UPDATE b SET v = 'lost'", "ALTER PUBLICATION sends SET (publish = 'insert, update, delete, truncate')",
                "INSERT INTO a VALUES (100, 'sent')",
            ] { try await rig.onSource(statement) }
            let dry = try await rig.shell(rig.cloneCommand("switchover --dry-run")).checked("dry run")
            #expect(dry.output.contains("\"public\".\"a\" (its publication was altered)"), "\(dry)")
            // What a comparison has found equal meanwhile need not be compared again.
            try await rig.onTarget("UPDATE b SET v = 'lost'")
            _ = try await rig.shell(rig.cloneCommand("compare data"))
            let later = try await rig.shell(rig.cloneCommand("switchover --dry-run")).checked("dry run").output
            #expect(later.contains("\"public\".\"a\" (its publication was altered)"), "\(later)")
            let done = try await rig.shell(rig.cloneCommand("switchover --fence")).checked("switchover")
            #expect(done.output.contains("\"public\".\"a\" brought over again"), "\(done)")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            try await rig.expectEqual()
        }
    }

    @Test func aTableThatLeftAPublishedSchemaIsBroughtOver() async throws {
        let major = try await PostgresInstallation.targetMajors()[0]
        try await Self.run(major: major, publication: "FOR TABLES IN SCHEMA public") { rig in
            try await rig.onSource("CREATE SCHEMA other")
            let follower = try await rig.startFollower("--publication sends")
            for table in ["a", "b"] {
                try await rig.onSource(
                    "BEGIN; ALTER TABLE \(table) SET SCHEMA other; UPDATE other.\(table) SET v = 'lost'; ALTER TABLE other.\(table) SET SCHEMA public; COMMIT"
                )
            }
            let done = try await rig.shell(rig.cloneCommand("switchover --fence")).checked("switchover")
            #expect(done.output.contains("\"public\".\"a\""), "\(done)")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            try await rig.expectEqual()
        }
    }

    /// Up to 17 the source cannot decode what was written meanwhile; from 18 on it leaves that out, with a warning to its client.
    @Test(arguments: try await majors(), ["FOR ALL TABLES", "FOR TABLE a, b"])
    func oneThatWasMadeAgainIsNoticed(_ major: Int, _ publication: String) async throws {
        try await Self.run(major: major, publication: publication) { rig in
            let follower = try await rig.startFollower("--publication sends")
            for statement in [
                "INSERT INTO a VALUES (99, 'sent')", "DROP PUBLICATION sends", "UPDATE a SET v = 'lost' WHERE id = 3",
                "CREATE PUBLICATION sends \(publication)", "INSERT INTO a VALUES (100, 'sent')",
            ] { try await rig.onSource(statement) }
            guard major >= 18 else {
                let ended = try await follower.wait()
                #expect(ended.exitCode == ExitStatus.unsuitableServer.rawValue, "\(ended)")
                #expect(ended.stderr.contains("cannot be decoded, also when it is made again"), "\(ended)")
                return
            }
            try await follower.awaitLog(containing: "the source says: skipped loading publication \"sends\"")
            let done = try await rig.shell(rig.cloneCommand("switchover --fence")).checked("switchover")
            #expect(done.output.contains("\"public\".\"a\""), "\(done)")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            try await rig.expectEqual()
        }
    }
}
