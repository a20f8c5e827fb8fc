import TestSupport
import Testing

/// How rows are found again: keys of all kinds, keys that change, and rows without any.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct IdentityTests {
    /// Applies `before` by one run and `after` by another, then compares.
    private func expectEqual(
        _ schema: String, _ before: String, _ after: String, _ location: SourceLocation = #_sourceLocation
    ) async throws {
        try await Rig.run(schema) { rig in
            try await rig.onSource(before)
            try await rig.catchUp()
            try await rig.onSource(after)
            try await rig.catchUp()
            try await rig.expectEqual(location)
        }
    }

    @Test func keysMayChangeAndSwapInOneTransaction() async throws {
        try await expectEqual(
            """
            CREATE TABLE t (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, v text);
            CREATE TABLE pair (a int, b text, c int, PRIMARY KEY (b, a));
            ALTER TABLE t REPLICA IDENTITY FULL;
            CREATE TABLE chain (id int PRIMARY KEY, v text);
            """,
            """
            INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 5) g;
            INSERT INTO pair SELECT g, 'b' || g, 0 FROM generate_series(1, 9) g;
            INSERT INTO chain SELECT g, 'v' || g FROM generate_series(1, 9) g;
            """,
            """
            BEGIN;
            UPDATE chain SET id = -1 WHERE id = 1; UPDATE chain SET id = 1 WHERE id = 2;
            UPDATE chain SET id = 2 WHERE id = -1;
            UPDATE chain SET id = 30 WHERE id = 3; INSERT INTO chain VALUES (3, 'new');
            UPDATE chain SET v = 'changed' WHERE id IN (1, 2, 30);
            DELETE FROM chain WHERE id = 4; INSERT INTO chain VALUES (4, 'again'); UPDATE chain SET id = 5000 WHERE id = 4;
            COMMIT;
            UPDATE chain SET id = id + 100 WHERE id > 5;
            BEGIN; UPDATE pair SET a = 100, b = 'moved' WHERE a = 1; UPDATE pair SET a = 1, b = 'b1' WHERE a = 2;
            UPDATE pair SET c = c + 1; DELETE FROM pair WHERE b = 'b9'; COMMIT;
            """)
    }

    @Test func anIndexMayBeTheIdentity() async throws {
        try await expectEqual(
            """
            CREATE TABLE t (id int PRIMARY KEY, code text NOT NULL, n int NOT NULL, v text);
            CREATE UNIQUE INDEX t_code ON t (code, n);
            ALTER TABLE t REPLICA IDENTITY USING INDEX t_code;
            CREATE TABLE bare (code text NOT NULL, v text);
            CREATE UNIQUE INDEX bare_code ON bare (code); ALTER TABLE bare REPLICA IDENTITY USING INDEX bare_code;
            """,
            """
            INSERT INTO t SELECT g, 'c' || g, g, 'v' FROM generate_series(1, 9) g;
            INSERT INTO bare VALUES ('a', 1), ('b', 2), ('c', NULL);
            """,
            """
            UPDATE t SET v = 'w' WHERE id = 1; UPDATE t SET id = 20 WHERE id = 2; UPDATE t SET code = 'x' WHERE id = 3;
            DELETE FROM t WHERE id = 4; UPDATE bare SET v = 'x' WHERE code = 'c'; DELETE FROM bare WHERE code = 'a';
            UPDATE bare SET code = 'z' WHERE code = 'b';
            """)
    }

    @Test func ofEqualRowsOneIsTouched() async throws {
        try await expectEqual(
            """
            CREATE TABLE t (a int, b text); ALTER TABLE t REPLICA IDENTITY FULL;
            CREATE TABLE p (a int, b text) PARTITION BY LIST (a);
            CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
            CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2);
            ALTER TABLE p1 REPLICA IDENTITY FULL; ALTER TABLE p2 REPLICA IDENTITY FULL;
            CREATE TABLE wide (id int PRIMARY KEY, b text); ALTER TABLE wide REPLICA IDENTITY FULL;
            """,
            """
            INSERT INTO t SELECT g % 3, CASE WHEN g % 2 = 0 THEN 'x' END FROM generate_series(1, 30) g;
            INSERT INTO p SELECT 1 + g % 2, 'x' FROM generate_series(1, 20) g;
            INSERT INTO wide SELECT g, 'same' FROM generate_series(1, 5) g;
            """,
            """
            DELETE FROM t WHERE ctid = (SELECT min(ctid) FROM t WHERE a = 1);
            UPDATE t SET b = 'y' WHERE ctid IN (SELECT ctid FROM t WHERE a = 2 LIMIT 2);
            UPDATE t SET a = NULL WHERE ctid = (SELECT max(ctid) FROM t); UPDATE t SET a = 7 WHERE a IS NULL;
            BEGIN; INSERT INTO t VALUES (9, 'z'), (9, 'z'), (9, 'z');
            DELETE FROM t WHERE ctid = (SELECT min(ctid) FROM t WHERE a = 9); COMMIT;
            DELETE FROM p WHERE (tableoid, ctid) IN (SELECT tableoid, ctid FROM p WHERE a = 2 LIMIT 3);
            UPDATE p SET a = 2 WHERE (tableoid, ctid) IN (SELECT tableoid, ctid FROM p WHERE a = 1 LIMIT 2);
            UPDATE wide SET b = 'other' WHERE id = 3; UPDATE wide SET id = 40 WHERE id = 4; DELETE FROM wide WHERE id = 5;
            """)
    }

    @Test func anEmptyTextIsNotTakenForNull() async throws {
        // Types without an `=` that is known, whose output text may be empty.
        try await expectEqual(
            """
            CREATE TABLE t (n int, v tsquery, w bit varying(9)); ALTER TABLE t REPLICA IDENTITY FULL;
            """,
            "INSERT INTO t VALUES (1, NULL, ''), (2, '', NULL), (1, '', ''), (2, NULL, NULL), (1, '', NULL), (2, '', '');",
            """
            UPDATE t SET n = 3 WHERE v = ''::tsquery; UPDATE t SET n = 4 WHERE v IS NULL AND w IS NOT NULL;
            DELETE FROM t WHERE w = ''::varbit AND v IS NOT NULL;
            """)
    }

    @Test func columnsThatTheServerFillsArriveAsTheyWere() async throws {
        try await expectEqual(
            """
            CREATE TABLE always (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text);
            CREATE TABLE usual (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, n bigserial, v text DEFAULT 'd');
            CREATE TABLE computed (a int PRIMARY KEY, twice int GENERATED ALWAYS AS (a * 2) STORED, b text,
                upper text GENERATED ALWAYS AS (upper(b)) STORED);
            CREATE TABLE nothing ();
            CREATE TABLE computed_full (a int, twice int GENERATED ALWAYS AS (a * 2) STORED);
            ALTER TABLE computed_full REPLICA IDENTITY FULL;
            CREATE TABLE always_full (id int GENERATED ALWAYS AS IDENTITY, v text);
            ALTER TABLE always_full REPLICA IDENTITY FULL;
            """,
            """
            INSERT INTO always (v) SELECT 'v' || g FROM generate_series(1, 12) g; INSERT INTO always (v) VALUES ('one');
            INSERT INTO usual (v) VALUES ('a'), (DEFAULT); INSERT INTO usual VALUES (50, 60, NULL);
            INSERT INTO computed (a, b) SELECT g, 'b' || g FROM generate_series(1, 12) g;
            INSERT INTO computed VALUES (99, DEFAULT, NULL);
            INSERT INTO nothing DEFAULT VALUES; INSERT INTO nothing DEFAULT VALUES;
            INSERT INTO computed_full VALUES (1), (1), (2); INSERT INTO always_full (v) VALUES ('a'), ('b'), ('a');
            """,
            """
            UPDATE always SET v = 'w' WHERE id = 3; UPDATE always SET id = DEFAULT WHERE id = 4;
            DELETE FROM always WHERE id = 5; UPDATE usual SET id = 70 WHERE id = 50;
            UPDATE computed SET b = 'new' WHERE a = 1; UPDATE computed SET a = 1000 WHERE a = 2;
            DELETE FROM computed WHERE a = 3;
            UPDATE computed_full SET a = 3 WHERE ctid = (SELECT min(ctid) FROM computed_full);
            DELETE FROM computed_full WHERE a = 2; UPDATE always_full SET v = 'c' WHERE id = 3;
            UPDATE always_full SET id = DEFAULT WHERE id = 2; DELETE FROM always_full WHERE id = 1;
            """)
    }

    @Test func namesMayBeAnything() async throws {
        let names = [
            "select", "we\"ird", "a b", "tab\there", "new\nline", "cr\r", "back\\slash", "ünï🐘", "semi;colon", "--",
            "'", "$1", "a.b",
            "UPPER", String(repeating: "x", count: 63), "; -- rows:1", "FROM stdin;", "{\"json\"}", "\u{7f}",
        ].map { Cluster.identifier($0) }
        var schema = "CREATE SCHEMA \"odd \"\"schema\"\"\n\";\n"
        var rows = ""
        var changes = ""
        for (index, name) in names.enumerated() {
            let table = "\"odd \"\"schema\"\"\n\".\(name)"
            let next = names[(index + 1) % names.count]
            schema += "CREATE TABLE \(table) (\(name) int PRIMARY KEY, \(next) text);\n"
            if index % 3 == 2 { schema += "ALTER TABLE \(table) REPLICA IDENTITY FULL;\n" }
            rows += "INSERT INTO \(table) VALUES (1, 'a'), (2, 'b'), (3, 'c');\n"
            rows += "INSERT INTO \(table) SELECT g, 'g' FROM generate_series(11, 22) g;\n"
            changes += "UPDATE \(table) SET \(next) = 'z' WHERE \(name) = 1; DELETE FROM \(table) WHERE \(name) = 2;\n"
            changes += "UPDATE \(table) SET \(name) = 4 WHERE \(name) = 3;\n"
            if index % 5 == 4 { changes += "TRUNCATE \(table);\n" }
        }
        try await expectEqual(schema, rows, changes)
    }

    @Test func aWholeOldRowIsNettedByThePrimaryKey() async throws {
        try await expectEqual(
            """
            CREATE TABLE t (id int PRIMARY KEY, n int, v text, big text); ALTER TABLE t REPLICA IDENTITY FULL;
            ALTER TABLE t ALTER big SET STORAGE EXTERNAL;
            CREATE TABLE keyless (n int, v text, big text); ALTER TABLE keyless REPLICA IDENTITY FULL;
            ALTER TABLE keyless ALTER big SET STORAGE EXTERNAL;
            """,
            """
            INSERT INTO t SELECT g, g, 'v', repeat('b', 9000) FROM generate_series(1, 30) g;
            INSERT INTO keyless SELECT n % 3, v, big FROM t;
            """,
            """
            UPDATE t SET n = n; UPDATE keyless SET n = n;
            BEGIN; UPDATE t SET v = v WHERE id < 9; UPDATE t SET id = id + 100 WHERE id > 20;
            UPDATE t SET n = 0 WHERE id > 100; UPDATE t SET big = 'short' WHERE id = 3; UPDATE t SET n = 9 WHERE id = 3;
            DELETE FROM t WHERE id = 4; INSERT INTO t VALUES (4, 4, NULL, NULL); UPDATE t SET v = 'w' WHERE id IN (4, 5);
            UPDATE t SET id = 6000 WHERE id = 6; UPDATE t SET id = 6 WHERE id = 6000; COMMIT;
            """)
    }

    @Test func keysThatAreCheckedLateMayBeTheSameForAWhile() async throws {
        try await expectEqual(
            """
            CREATE TABLE late (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, v text);
            CREATE TABLE soon (id int PRIMARY KEY DEFERRABLE, v text);
            ALTER TABLE late REPLICA IDENTITY FULL; ALTER TABLE soon REPLICA IDENTITY FULL;
            """,
            """
            INSERT INTO late SELECT g, 'v' || g % 2 FROM generate_series(1, 20) g; INSERT INTO soon TABLE late;
            """,
            """
            UPDATE late SET id = id + 1; UPDATE soon SET id = id + 1;
            BEGIN; UPDATE late SET id = 5 WHERE id = 6; UPDATE late SET id = 6 WHERE id = 5 AND v = 'v0';
            INSERT INTO late VALUES (9, 'twice'); DELETE FROM late WHERE id = 9 AND v <> 'twice'; COMMIT;
            UPDATE late SET id = -id; UPDATE soon SET id = 22 - id; DELETE FROM soon WHERE id > 15;
            """)
    }
}
