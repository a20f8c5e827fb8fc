import TestSupport
import Testing

/// Values of all kinds on the whole way, in rows with a key, with the value itself as the key, and without any key.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct TypeTests {
    @Test(arguments: ["built in", "arrays", "user-defined", "extensions"])
    func valuesArriveAsTheyAre(_ kind: String) async throws {
        let tables = try #require(TypeCase.all[kind]).enumerated().map { TypeTables(number: $0.offset, $0.element) }
        let schema = "CREATE SCHEMA odd;\n" + tables.map(\.schema).joined()
        try await Rig.run(schema) { rig in
            try await rig.onSource(tables.map(\.inserts).joined())
            try await rig.catchUp()
            try await rig.expectEqual()
            try await rig.onSource(tables.map(\.changes).joined())
            try await rig.catchUp()
            try await rig.expectEqual()
            // The second half again as one transaction, and with psql in the place of replay.
            try await rig.onSource("BEGIN;\n" + tables.map(\.returns).joined() + "COMMIT;\n")
            try await rig.capture()
            try await rig.shell(
                """
                transform --from "$(replay --position)" "$SPOOL" | psql -Xqo /dev/null -v ON_ERROR_STOP=1 -d "$TARGET"
                """
            ).checked("psql")
            try await rig.expectEqual()
        }
    }

    @Test func valuesStoredOutOfLineAreKeptWhenTheyDoNotChange() async throws {
        let table = """
            (id int PRIMARY KEY, small int, big text, other text);
            ALTER TABLE %t ALTER big SET STORAGE EXTERNAL, ALTER other SET STORAGE EXTERNAL;

            """
        let names = ["keyed", "whole", "keyless"]
        var schema = names.map { "CREATE TABLE \($0) " + table.replacing("%t", with: $0) }.joined()
        schema += """
            ALTER TABLE whole REPLICA IDENTITY FULL;
            ALTER TABLE keyless DROP CONSTRAINT keyless_pkey;
            ALTER TABLE keyless REPLICA IDENTITY FULL;
            """
        try await Rig.run(schema) { rig in
            for name in names {
                try await rig.onSource(
                    """
                    INSERT INTO \(name) SELECT g, 0, repeat(md5(g::text), 400), repeat('\\', 9000) FROM generate_series(1, 9) g;
                    UPDATE \(name) SET small = 1 WHERE id = 1;
                    UPDATE \(name) SET other = 'short' WHERE id = 2;
                    UPDATE \(name) SET other = repeat('y', 9000), small = 3 WHERE id = 3;
                    UPDATE \(name) SET id = 40 WHERE id = 4;
                    UPDATE \(name) SET id = 50, big = NULL WHERE id = 5;
                    BEGIN; UPDATE \(name) SET big = repeat('z', 9000) WHERE id = 6;
                    UPDATE \(name) SET small = 6 WHERE id = 6; UPDATE \(name) SET id = 60 WHERE id = 6; COMMIT;
                    BEGIN; INSERT INTO \(name) VALUES (70, 0, repeat('n', 9000));
                    UPDATE \(name) SET small = 7 WHERE id = 70; COMMIT;
                    DELETE FROM \(name) WHERE id = 8;
                    UPDATE \(name) SET small = small WHERE id = 9;
                    """)
            }
            try await rig.catchUp()
            try await rig.expectEqual()
        }
    }
}
