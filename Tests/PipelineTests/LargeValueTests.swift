import TestSupport
import Testing

/// Values that no statement has room for. WALRELAY_LARGE_VALUE makes the limit small here.
@Suite(.serialized, .timeLimit(.minutes(30)))
struct LargeValueTests {
    private static let schema = """
        CREATE DOMAIN filled AS text CHECK (VALUE <> '');
        CREATE TABLE t (id int PRIMARY KEY, v text, c1 filled, n numeric(20, 3), a text[]);
        CREATE TABLE parent (id int PRIMARY KEY, v text); CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent);
        CREATE TABLE keyless (id int, v text); ALTER TABLE keyless REPLICA IDENTITY FULL;
        INSERT INTO t SELECT g, 'before', 'x', g / 7.0 FROM generate_series(1, 9) g;
        INSERT INTO parent VALUES (1, 'p'); INSERT INTO child VALUES (1, 'c'); INSERT INTO keyless VALUES (1, 'small');

        """

    private static func changes(_ size: Int) -> String {
        // Backslashes, tabs and quotes, which every form has to escape.
        let value = "repeat(E'a\\\\b\\t''\\n', \(size / 6))"
        return """
            UPDATE t SET v = \(value), n = 1.500, c1 = 'y' WHERE id = 1; UPDATE t SET c1 = \(value) WHERE id = 2;
            UPDATE t SET v = \(value), id = 100 WHERE id = 3; UPDATE t SET v = 'small' WHERE id IN (4, 5, 6, 7, 8);
            INSERT INTO t (id, v) VALUES (50, \(value)); UPDATE ONLY parent SET v = \(value);
            UPDATE t SET v = NULL WHERE id = 1; UPDATE t SET n = 2 WHERE id = 2;
            UPDATE keyless SET v = \(value);

            """
    }

    @Test(arguments: ["", "--ordered", "--lanes 2", "psql"]) func theyTravelAsCopyData(_ way: String) async throws {
        try await Rig.run(Self.schema) { rig in
            try await rig.onSource(Self.changes(60_000))
            try await rig.capture()
            let script =
                way == "psql"
                ? "transform \"$SPOOL\" | psql -Xqo /dev/null -v ON_ERROR_STOP=1 -d \"$TARGET\""
                : "transform \(way) \"$SPOOL\" | tee sql | replay --spool \"$SPOOL\" --jobs-min-changes 1"
                    + (way.contains("lanes") ? " --jobs 2" : "")
            let limit = "export WALRELAY_LARGE_VALUE=20000; "
            try await rig.shell(limit + script).checked("replay")
            if way != "psql" {
                #expect(try await rig.shell("grep -c '^CREATE TEMPORARY TABLE walrelay_value_' sql").succeeded)
                // No statement has such a value any more.
                #expect(
                    try await rig.shell(
                        "awk '/^(UPDATE|INSERT)/ && length > 21000 { found = 1 } END { exit found }' sql"
                    ).succeeded)
            }
            try await rig.expectEqual()
        }
    }

    @Test func aRowThatOnlyItsLargeValuesNameIsRefused() async throws {
        try await Rig.run(Self.schema) { rig in
            try await rig.onSource("UPDATE keyless SET v = repeat('x', 30000)")
            try await rig.onSource("DELETE FROM keyless")
            try await rig.capture()
            let refused = try await rig.shell("export WALRELAY_LARGE_VALUE=20000; transform \"$SPOOL\" >sql")
            #expect(refused.exitCode == 16, "\(refused)")
            #expect(
                refused.stderr.contains("\"public\".\"keyless\"") && refused.stderr.contains("primary key"),
                "\(refused)")
        }
    }
}
