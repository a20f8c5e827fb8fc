import TestSupport
import Testing

/// Whatever the source calls its tables, types and messages, and whatever its rows hold, stays a name and a value: with
/// replay and with psql, in single statements and in those over arrays.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct HostileTests {
    private static let names = [
        "a\"b''$$", "new\nline\r", "-- x", "\\.", "\\q :name", ":'name'", ":\"name\"", "$1 /* \\\\",
        "; DROP TABLE victims; --", "\n\\.\nDROP TABLE victims;\n", "\\! touch hacked\n", "; -- rows:1 FROM stdin;",
    ]

    private static let values =
        names + [
            "", "NULL", "null", "\\N", "{", "}", "{1,2}", "(a,b)", "a,b", " x ", "\"quoted\"", "COMMIT;\n\\q\n",
            "\n-- walrelay end {\"to\":\"F/0\"}\n", "E'\\n'", "\t", "\u{1}\u{7f}",
        ]

    private static func literal(_ text: String) -> String { "'" + text.replacing("'", with: "''") + "'" }

    /// Schema, table, columns and types have hostile names, and the type hostile labels; one table a name.
    private static func table(_ index: Int) -> (schema: String, rows: String, changes: String) {
        let name = Cluster.identifier(names[index])
        let other = Cluster.identifier(names[(index + 1) % names.count] + "2")
        let labels = values.filter { $0.utf8.count < 64 && !$0.isEmpty }.map(literal)
        let table = "\(name).\(name)"
        let type = "\(name).\(Cluster.identifier(names[index] + "enum"))"
        let pair = "\(name).\(Cluster.identifier(names[index] + "pair"))"
        let schema = """
            CREATE SCHEMA \(name);
            CREATE TYPE \(type) AS ENUM (\(labels.joined(separator: ", ")));
            CREATE TYPE \(pair) AS (\(name) text, \(other) \(type));
            CREATE TABLE \(table) (\(name) text PRIMARY KEY, \(other) text, "type" \(type), "pair" \(pair));
            CREATE TABLE \(name)."by type" (\(name) \(type) PRIMARY KEY, \(other) \(pair)[]);
            CREATE TABLE \(name)."by pair" (\(name) \(pair) PRIMARY KEY, \(other) int);
            CREATE TABLE \(name)."keyless" (\(name) text, \(other) \(type), "pair" \(pair));
            ALTER TABLE \(name)."keyless" REPLICA IDENTITY FULL;

            """
        let rows = values.map { "(\(literal($0)))" }.joined(separator: ", ")
        let source = "(VALUES \(rows)) AS v (t)"
        let inserts = """
            INSERT INTO \(table) SELECT t FROM \(source);
            INSERT INTO \(name)."by type" SELECT unnest(enum_range(NULL::\(type)));
            INSERT INTO \(name)."by pair" SELECT ROW('x', t)::\(pair), 0
              FROM unnest(enum_range(NULL::\(type))) AS e (t);
            INSERT INTO \(name)."keyless" SELECT t, NULL, ROW(t, NULL::\(type))::\(pair) FROM \(source);

            """
        let changes = """
            UPDATE \(table) SET \(other) = reverse(\(name)), "pair" = ROW(\(name), NULL::\(type))
              WHERE \(name) NOT IN (SELECT unnest(enum_range(NULL::\(type)))::text);
            UPDATE \(table) SET \(other) = \(name), "type" = \(name)::\(type), "pair" = ROW(\(name), \(name)::\(type))
              WHERE \(name) IN (SELECT unnest(enum_range(NULL::\(type)))::text);
            UPDATE \(table) SET \(name) = \(name) || 'moved' WHERE length(\(name)) % 5 = 1;
            DELETE FROM \(table) WHERE length(\(name)) % 3 = 0;
            UPDATE \(name)."by type" SET \(other) = ARRAY[ROW(\(name)::text, \(name))::\(pair)];
            DELETE FROM \(name)."by type" WHERE length(\(name)::text) % 3 = 0;
            UPDATE \(name)."by pair" SET \(other) = 1;
            DELETE FROM \(name)."by pair" WHERE length((\(name)).\(other)::text) = 5;
            UPDATE \(name)."keyless" SET \(other) = \(name)::\(type)
              WHERE \(name) IN (SELECT unnest(enum_range(NULL::\(type)))::text);
            DELETE FROM \(name)."keyless" WHERE length(\(name)) % 3 = 0;
            SELECT pg_logical_emit_message(true, \(literal(names[index])), \(literal(names[index])));
            SELECT pg_logical_emit_message(false, \(literal(names[index])), \(literal(names[index])));

            """
        return (schema, inserts, changes)
    }

    @Test(arguments: ["", "--ordered"]) func hostileContentStaysContent(_ order: String) async throws {
        let tables = Self.names.indices.map(Self.table)
        let schema =
            "CREATE TABLE victims (id int PRIMARY KEY); INSERT INTO victims VALUES (1);\n"
            + tables.map(\.schema).joined()
        try await Rig.run(schema) { rig in
            let second = "\(rig.targetDatabase)_psql"
            try await rig.target.sql("CREATE DATABASE \(second) TEMPLATE \(rig.targetDatabase)")
            try await rig.onSource(tables.map(\.rows).joined())
            try await rig.capture()
            try await rig.onSource(
                "BEGIN;\n" + tables.map(\.changes).joined() + "TRUNCATE \"; DROP TABLE victims; --\".keyless; COMMIT;\n"
            )
            let string = rig.target.connectionString(database: second)
            let stream = "\(rig.name)_psql"
            for from in ["", "--from \"$(replay --position)\""] {
                // One after the other, so that what the first leaves is there for the second to change.
                try await rig.shell(
                    """
                    from=(\(from))
                    command transform --origin \(stream) \(order) "${from[@]}" "$SPOOL" |
                        psql -Xqo /dev/null -v ON_ERROR_STOP=1 -v name=x -d '\(string)' || exit
                    transform \(order) "${from[@]}" "$SPOOL" | replay
                    """
                ).checked("transform")
                try await rig.capture()
            }
            try await rig.expectEqual()
            let differences = try await DatabaseComparison.differences(
                source: (rig.source, rig.sourceDatabase), target: (rig.target, second))
            #expect(differences == [])
            #expect(try await rig.onTarget("SELECT string_agg(id::text, ',') FROM victims") == "1")
            #expect(try await rig.target.sql("SELECT count(*) FROM victims", database: second) == "1")
            #expect(try await rig.shell("[ ! -e hacked ]").succeeded)
            try await rig.target.dropDatabase(second)
        }
    }
}
