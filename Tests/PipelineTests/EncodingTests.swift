import TestSupport
import Testing

/// Databases whose encoding is not UTF8, with names and values that are not ASCII.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct EncodingTests {
    private static let schema = """
        CREATE SCHEMA "schöma"; CREATE SEQUENCE "schöma"."zähler" START 5;
        CREATE TYPE "schöma"."stückart" AS ENUM ('groß', 'klein');
        CREATE TABLE "schöma"."täble" ("schlüßel" text PRIMARY KEY, "wört" text, "zahlen" "schöma"."stückart"[], n int);
        CREATE TABLE "ohne schlüßel" ("wört" text, "art" "schöma"."stückart");
        ALTER TABLE "ohne schlüßel" REPLICA IDENTITY FULL;
        INSERT INTO "schöma"."täble" SELECT 'é' || g, 'über' || g, '{groß,NULL}', g FROM generate_series(1, 20) g;
        INSERT INTO "schöma"."täble" VALUES ('leer', NULL, NULL, NULL);
        INSERT INTO "ohne schlüßel" VALUES ('ÿ', 'groß'), ('ÿ', 'groß'), (NULL, NULL); SELECT nextval('"schöma"."zähler"');

        """
    private static let changes = """
        UPDATE "schöma"."täble" SET "wört" = 'ä''\\n' || "wört" WHERE n % 2 = 0; DELETE FROM "schöma"."täble" WHERE n = 7;
        UPDATE "schöma"."täble" SET "schlüßel" = 'ñ' || n WHERE n > 15;
        INSERT INTO "schöma"."täble" SELECT 'ö' || g, repeat('ß', g), '{klein}', g FROM generate_series(30, 50) g;
        UPDATE "ohne schlüßel" SET "wört" = 'þ' WHERE ctid = (SELECT ctid FROM "ohne schlüßel" LIMIT 1);
        DELETE FROM "ohne schlüßel" WHERE "wört" IS NULL; SELECT nextval('"schöma"."zähler"');

        """

    /// The encodings of source and target.
    @Test(arguments: [
        ["LATIN1", "LATIN1"], ["LATIN1", "UTF8"], ["UTF8", "LATIN1"], ["SQL_ASCII", "SQL_ASCII"],
    ])
    func namesAndValuesStayWhatTheyAre(_ encodings: [String]) async throws {
        try await Rig.run(publication: nil, createsSlot: false) { rig in
            for (cluster, database, encoding) in [
                (rig.source, rig.sourceDatabase, encodings[0]), (rig.target, rig.targetDatabase, encodings[1]),
            ] {
                try await cluster.sql(
                    """
                    DROP DATABASE \(database);
                    CREATE DATABASE \(database) TEMPLATE template0 ENCODING '\(encoding)' LOCALE 'C';
                    """)
            }
            // Sent as they are to a database without encoding, and converted otherwise.
            try await rig.onSource(Self.schema)
            let follower = try rig.startClone("--follow")
            try await follower.awaitLog(containing: "following the source's changes")
            try await rig.onSource(Self.changes)
            try await rig.shell(rig.cloneCommand("switchover --compare")).checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            try await rig.shell(rig.cloneCommand("compare")).checked("compare")
            try await rig.expectEqual()
            // By itself, and in bytes of UTF-8 as psql has them.
            let query = """
                SELECT string_agg("schlüßel" || '=' || COALESCE("wört", '-'), ',' ORDER BY "schlüßel" COLLATE "C")
                  FROM "schöma"."täble"
                """
            #expect(try await rig.onSource(query) == rig.onTarget(query))
            #expect(try await rig.onTarget("SELECT last_value >= 6 FROM \"schöma\".\"zähler\"") == "t")
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
        }
    }
}
