import Observability
import TestSupport
import Testing

/// Publications of the user's own that do not send all that is copied: refused before anything is made, with the
/// statements that change it.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct ClonePublicationTests {
    private static let schema = """
        CREATE TABLE t (id int PRIMARY KEY, v text, twice int GENERATED ALWAYS AS (id * 2) STORED);
        CREATE TABLE u (id int PRIMARY KEY);
        CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);
        CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100); INSERT INTO t VALUES (1, 'a'); INSERT INTO u VALUES (1)
        """

    @Test(arguments: [
        ("FOR TABLE t WHERE (id > 5), u, p", "of \"public\".\"t\" only the rows WHERE (id > 5) are sent"),
        ("FOR TABLE t (id), u, p", "of \"public\".\"t\" the columns v are not sent"),
        ("FOR TABLE t, p", "\"public\".\"u\" is in none of them"),
        ("FOR TABLE t, u", "\"public\".\"p1\" is in none of them"),
        ("FOR ALL TABLES WITH (publish = 'insert, update')", "of \"public\".\"t\" no DELETE, TRUNCATE is sent"),
    ])
    func whatTheyDoNotSendIsRefused(_ publication: String, _ words: String) async throws {
        try await Rig.run(publication: nil, createsSlot: false) { rig in
            try await rig.onSource(Self.schema)
            try await rig.onSource("CREATE PUBLICATION mine \(publication)")
            let check = try await rig.clone("check --publication mine")
            #expect(check.exitCode == ExitStatus.unsuitableServer.rawValue && check.output.contains(words), "\(check)")
            let refused = try await rig.clone("--follow --publication mine")
            #expect(refused.exitCode == ExitStatus.unsuitableServer.rawValue, "\(refused)")
            #expect(refused.stderr.contains(words), "\(refused)")
            #expect(
                try await rig.onSource("SELECT count(*) FROM pg_replication_slots WHERE slot_name = '\(rig.name)'")
                    == "0")
            // As it advises.
            let advice = try #require(refused.stderr.firstRange(of: "ALTER PUBLICATION"))
            try await rig.onSource(String(refused.stderr[advice.lowerBound...].prefix { !$0.isNewline }))
            try await rig.clone("--follow --publication mine --endpos current").checked("clone")
            try await rig.expectEqual()
        }
    }

    @Test func whatIsLeftOutNeedNotBeSent() async throws {
        try await Rig.run(publication: nil, createsSlot: false) { rig in
            try await rig.onSource(Self.schema + "; CREATE PUBLICATION one FOR TABLE t WHERE (id > 5), p;")
            try await rig.onSource("CREATE PUBLICATION two FOR TABLE t")
            let filters = try rig.folder.write("filters.ini", "[exclude-table]\npublic.u\n")
            // A row is sent that one of them sends.
            try await rig.clone("--follow --publication one --publication two --filters '\(filters)' --endpos current")
                .checked("clone")
            let unknown = try await rig.clone("check --publication none")
            #expect(unknown.output.contains("there is no publication \"none\""), "\(unknown)")
        }
    }
}
