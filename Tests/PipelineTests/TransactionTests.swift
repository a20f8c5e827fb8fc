import TestSupport
import Testing

/// Transactions that overlap, are huge, or end badly.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct TransactionTests {
    @Test func transactionsThatOverlapArriveInCommitOrder() async throws {
        let schema = """
            CREATE TABLE steps (id int PRIMARY KEY, who text, n int);
            CREATE TABLE last (id int PRIMARY KEY, who text);
            """
        try await Rig.run(schema) { rig in
            try await rig.onSource("INSERT INTO last VALUES (1, 'nobody')")
            let holder = try rig.start("psql -Xq -d \"$SOURCE\" -c 'SELECT pg_advisory_lock(1), pg_sleep(60)'")
            try await awaitSessions(rig, "PgSleep", 1)
            let first = try startLong(rig, 1)
            try await awaitSessions(rig, "advisory", 1)
            let second = try startLong(rig, 2)
            try await awaitSessions(rig, "advisory", 2)
            // All of these begin later and commit earlier.
            for number in 1...5 {
                try await rig.onSource(
                    """
                    PREPARE add (int, text) AS INSERT INTO steps VALUES ($1, $2, 0);
                    BEGIN;
                    EXECUTE add (\(number), 'short');
                    UPDATE steps SET n = n + 1 WHERE id = \(number);
                    COMMIT;
                    UPDATE last SET who = 'short \(number)' WHERE id = 1;
                    """)
            }
            try await rig.onSource(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE wait_event = 'PgSleep' AND datname = current_database()
                """)
            _ = try await holder.wait()
            try await first.wait().checked("psql")
            try await second.wait().checked("psql")
            try await rig.capture()
            try await rig.apply()
            try await rig.expectEqual()
            #expect(try await rig.onTarget("SELECT who FROM last") == "long 2")
            #expect(try await rig.onTarget("SELECT count(*) FROM steps WHERE who ~ 'undone'") == "0")
            #expect(try await rig.onTarget("SELECT n FROM steps WHERE id = 101") == "2")

            let shown = try await rig.shell("inspect show --json \"$SPOOL\" | grep '\"kind\":\"commit\"'").checked(
                "show")
            #expect(shown.outputLines.count == 13)
        }
    }

    private func awaitSessions(_ rig: Rig, _ event: String, _ count: Int) async throws {
        try await rig.source.awaitSQL(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event = '\(event)' AND datname = '\(rig.sourceDatabase)'",
            equals: "\(count)")
    }

    /// A session that writes before and after everything else. It waits for a lock, in the order of starting.
    private func startLong(_ rig: Rig, _ number: Int) throws -> RunningProgram {
        try rig.folder.write(
            "long.\(number)",
            """
            BEGIN;
            INSERT INTO steps VALUES (10\(number), 'long', 0);
            SAVEPOINT a;
            INSERT INTO steps VALUES (20\(number), 'undone', 0);
            SAVEPOINT b;
            UPDATE steps SET n = 50 WHERE id = 10\(number);
            ROLLBACK TO a;
            UPDATE steps SET n = n + 1 WHERE id = 10\(number);
            SELECT pg_advisory_xact_lock(1);
            SAVEPOINT c;
            UPDATE steps SET n = n + 1 WHERE id = 10\(number);
            RELEASE c;
            UPDATE last SET who = 'long \(number)' WHERE id = 1;
            COMMIT;

            """)
        return try rig.start("exec psql -Xqo /dev/null -v ON_ERROR_STOP=1 -d \"$SOURCE\" -f long.\(number)")
    }

    @Test func preparedTransactionsArriveWhenTheyCommit() async throws {
        let source = try await Cluster.start(name: "two phases", settings: ["max_prepared_transactions": "4"])
        try await Rig.run("CREATE TABLE t (id int PRIMARY KEY)", source: source) { rig in
            try await rig.onSource(
                """
                BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'kept';
                BEGIN; INSERT INTO t VALUES (2); PREPARE TRANSACTION 'undone';
                INSERT INTO t VALUES (3);
                """)
            try await rig.catchUp()
            #expect(try await rig.onTarget("SELECT string_agg(id::text, ',' ORDER BY id) FROM t") == "3")
            try await rig.onSource("COMMIT PREPARED 'kept'; ROLLBACK PREPARED 'undone'")
            try await rig.catchUp()
            #expect(try await rig.onTarget("SELECT string_agg(id::text, ',' ORDER BY id) FROM t") == "1,3")
        }
    }

    @Test func aHugeTransactionIsWrittenWhileItIsRead() async throws {
        let schema = """
            CREATE TABLE t (id int PRIMARY KEY, v text);
            CREATE TABLE keyless (v text); ALTER TABLE keyless REPLICA IDENTITY FULL;
            """
        try await Rig.run(schema) { rig in
            try await rig.onSource(
                """
                INSERT INTO t VALUES (0, 'before');
                BEGIN;
                INSERT INTO t SELECT g, repeat(md5(g::text), 4) FROM generate_series(1, 20000) g;
                UPDATE t SET v = v || 'x' WHERE id % 3 = 0;
                DELETE FROM t WHERE id % 7 = 0;
                INSERT INTO keyless SELECT 'v' || g % 5 FROM generate_series(1, 50) g;
                DELETE FROM keyless WHERE ctid IN (SELECT ctid FROM keyless LIMIT 20);
                COMMIT;
                BEGIN; INSERT INTO t SELECT g FROM generate_series(30000, 35000) g; ROLLBACK;
                INSERT INTO t VALUES (30000, 'after');
                """)
            try await rig.capture()
            let batches = try await rig.shell("transform --max-bytes 64kB \"$SPOOL\" | tee batches.sql | replay")
            #expect(batches.exitCode == 0, "\(batches)")
            try await rig.expectEqual()
            let text = try String(decoding: rig.folder.read("batches.sql"), as: UTF8.self)
            #expect(text.contains("\"to\":null"))
            #expect(text.split(separator: "\n").filter { $0.hasPrefix("COPY ") }.count > 2)

            // The same batches again are known to be applied.
            let again = try await rig.shell("replay batches.sql")
            #expect(again.exitCode == 0, "\(again)")
            #expect(again.stderr.contains("on the target already: "))
            try await rig.expectEqual()
        }
    }

    @Test func abortedAndEmptyTransactionsLeaveNothing() async throws {
        try await Rig.run("CREATE TABLE t (id int PRIMARY KEY, v text)") { rig in
            try await rig.onSource(
                """
                BEGIN; INSERT INTO t VALUES (1); ROLLBACK;
                BEGIN; COMMIT;
                BEGIN; SELECT txid_current(); COMMIT;
                BEGIN; INSERT INTO t VALUES (2); SAVEPOINT a; INSERT INTO t VALUES (3); ROLLBACK TO a; ROLLBACK;
                CREATE TEMPORARY TABLE gone (id int); INSERT INTO gone VALUES (1);
                INSERT INTO t VALUES (4), (5);
                DELETE FROM t WHERE id = 4;
                """)
            try await rig.catchUp()
            try await rig.expectEqual()
            let shown = try await rig.shell("inspect show \"$SPOOL\"").checked("inspect show").outputLines
            #expect(shown.filter { $0.hasPrefix("COMMIT") }.count == 2)
            #expect(shown.filter { $0.contains("INSERT") }.count == 2)
        }
    }
}
