import TestSupport
import Testing

/// A target without some of the source's columns.
@Suite(.timeLimit(.minutes(5)))
struct ColumnTests {
    @Test func aTargetNeedsNoExcludedColumns() async throws {
        try await Rig.run { rig in
            try await rig.onSource(
                """
                CREATE TABLE a (id int PRIMARY KEY, secret text NOT NULL, v text);
                CREATE TABLE b (secret text, v int);
                ALTER TABLE b REPLICA IDENTITY FULL;
                """)
            try await rig.onTarget(
                """
                CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (v int); ALTER TABLE b REPLICA IDENTITY FULL;
                """)
            try await rig.onSource(
                """
                INSERT INTO a SELECT g, 'secret ' || g, 'v' || g FROM generate_series(1, 30) g;
                UPDATE a SET secret = 'other' WHERE id < 5; UPDATE a SET v = 'new' WHERE id > 20; DELETE FROM a WHERE id = 7;
                INSERT INTO b VALUES ('x', 1), ('y', 1), ('x', 2);
                UPDATE b SET secret = 'z' WHERE v = 2; UPDATE b SET v = 3 WHERE secret = 'y'; DELETE FROM b WHERE secret = 'x';
                """)
            try await rig.capture()
            for order in ["", "--ordered"] {
                let target = "\(rig.name)\(order.isEmpty ? "" : "_again")"
                try await rig.onTarget("TRUNCATE a, b")
                try await rig.shell(
                    """
                    command transform --origin \(target) "$SPOOL" \(order) --exclude-column '*.*.secret' |
                      command replay --target "$TARGET"
                    """
                ).checked("transform | replay")
                let rows = "SELECT string_agg(id || v, ',' ORDER BY id) FROM a"
                #expect(try await rig.onTarget(rows) == (try await rig.onSource(rows)))
                let equal = "SELECT string_agg(v::text, ',' ORDER BY v) FROM b"
                #expect(try await rig.onTarget(equal) == (try await rig.onSource(equal)))
            }
        }
    }

    @Test func aPatternThatLeavesOutNothingIsSaid() async throws {
        try await Rig.run("CREATE TABLE a (id int PRIMARY KEY, secret text)") { rig in
            try await rig.onSource("INSERT INTO a VALUES (1, 'x')")
            try await rig.capture()
            for program in ["transform", "transform --format jsonl", "transform --jobs 2", "inspect show --changes"] {
                let finished = try await rig.shell(
                    "command \(program) --exclude-column a.secret --exclude-column a.sceret \"$SPOOL\"")
                try finished.checked(program)
                #expect(finished.stderr.contains("--exclude-column a.sceret matched no column"), "\(finished)")
                #expect(!finished.stderr.contains("a.secret matched"), "\(finished)")
            }
            let counted = try await rig.shell("command inspect stats --exclude-column a.sceret \"$SPOOL\"").checked(
                "stats")
            #expect(!counted.stderr.contains("matched no column"), "\(counted)")
        }
    }
}
