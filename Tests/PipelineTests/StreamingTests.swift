import TestSupport
import Testing

/// Transactions that the source sends while they are still in progress.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct StreamingTests {
    private static let schema = "CREATE TABLE ledger (v int, s text); ALTER TABLE ledger REPLICA IDENTITY FULL;"

    /// Large for a decoder that may keep 64 kB: changes kept, undone by savepoints, and made by DDL in between.
    private static let transaction = """
        BEGIN;
        INSERT INTO ledger SELECT i, repeat(md5(i::text), 3) FROM generate_series(1, 5000) i;
        SAVEPOINT a;
        INSERT INTO ledger SELECT -i, 'undone' FROM generate_series(1, 3000) i;
        SAVEPOINT b;
        UPDATE ledger SET s = 'undone' WHERE v BETWEEN 1 AND 50;
        RELEASE b;
        ROLLBACK TO a;
        SAVEPOINT c;
        UPDATE ledger SET v = v + 100000 WHERE v BETWEEN 1 AND 50;
        RELEASE c;
        INSERT INTO ledger SELECT i, 'again' FROM generate_series(1, 2000) i;
        COMMIT;
        """

    private func withStreaming(memory: String = "64kB", _ body: (Rig) async throws -> Void) async throws {
        try await Rig.run(Self.schema) { rig in
            try await rig.onSource(
                "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET logical_decoding_work_mem = ''\(memory)''', "
                    + "current_database()); END $$")
            try await body(rig)
        }
    }

    private func streamed(_ rig: Rig) async throws -> String {
        try await rig.onSource(
            "SELECT stream_txns > 0 FROM pg_stat_replication_slots WHERE slot_name = '\(rig.name)'")
    }

    @Test func streamedTransactionsJoinTheLogAtTheirCommitWithoutWhatWasRolledBack() async throws {
        try await withStreaming { rig in
            try await rig.onSource(Self.transaction)
            try await rig.onSource(
                "BEGIN; INSERT INTO ledger SELECT i, 'never' FROM generate_series(1, 5000) i; ROLLBACK")
            try await rig.onSource("INSERT INTO ledger VALUES (1, 'small')")
            try await rig.catchUp()
            #expect(try await streamed(rig) == "t", "the source did not stream, so this test proves nothing")
            try await rig.expectEqual()
            let left = try await rig.shell("ls \"$SPOOL\"/streams").checked("ls")
            #expect(left.outputLines == [])
        }
    }

    /// Most chunks of half a megabyte join the log as they are; those with rows that were rolled back do not.
    @Test func largeStreamsJoinTheLogChunkByChunkWithoutWhatWasRolledBack() async throws {
        try await withStreaming(memory: "4MB") { rig in
            try await rig.onSource(
                """
                BEGIN;
                INSERT INTO ledger SELECT i, repeat(md5(i::text), 5) FROM generate_series(1, 30000) i;
                SAVEPOINT a;
                INSERT INTO ledger SELECT -i, repeat(md5(i::text), 5) FROM generate_series(1, 30000) i;
                ROLLBACK TO a;
                INSERT INTO ledger SELECT i, repeat(md5(i::text), 5) FROM generate_series(30001, 60000) i;
                UPDATE ledger SET s = 'changed' WHERE v % 100 = 0;
                COMMIT;
                INSERT INTO ledger VALUES (1, 'small');
                """)
            try await rig.catchUp()
            #expect(try await streamed(rig) == "t")
            try await rig.expectEqual()
            // The audit counts the records again and compares them with the footer, which counted chunks unread.
            try await rig.shell("inspect verify \"$SPOOL\"").checked("inspect verify")
        }
    }

    @Test func killedWhileChunksJoinTheLogNothingIsLostOrRepeated() async throws {
        try await withStreaming(memory: "4MB") { rig in
            try await rig.onSource(
                "INSERT INTO ledger SELECT i, repeat(md5(i::text), 5) FROM generate_series(1, 40000) i")
            for point in ["during-splice:3", "torn-write:5", "after-write:6", "before-fdatasync:3", "after-splice:1"] {
                let receive = try rig.start(
                    """
                    export WALRELAY_FAILPOINT=\(point)
                    exec receive --source "$SOURCE" --slot "$NAME" $PUBLICATION --dir "$SPOOL" --fsync-interval 0
                    """)
                #expect(try await receive.wait(within: .seconds(60)).signal == 9, "\(point)")
                try await rig.awaitFreeSlot()
            }
            try await rig.catchUp()
            #expect(try await streamed(rig) == "t")
            try await rig.expectEqual()
            let counts = try await rig.shell(
                "inspect verify \"$SPOOL\" >&2 && inspect show --json \"$SPOOL\" | grep -c '\"kind\":\"insert\"'"
            ).checked("inspect")
            #expect(counts.outputLines == ["40000"])
        }
    }

    @Test func streamedAndPlainTransactionsGiveTheSameLogContents() async throws {
        try await withStreaming { rig in
            try await rig.onSource(Self.transaction)
            try await rig.capture()
            #expect(try await streamed(rig) == "t")
            // The same transaction, sent at its commit.
            let plain = try await rig.shell("receive --stdout --endpos current > plain.log").checked("receive")
            #expect(plain.stderr.contains("reached the end") || plain.exitCode == 0)
            let counts = try await rig.shell(
                "inspect show --json \"$SPOOL\" | grep -c '\"kind\":\"insert\"'; "
                    + "inspect show --json \"$SPOOL\" | grep -c '\"kind\":\"update\"'"
            ).checked("inspect")
            #expect(counts.outputLines == ["7000", "50"])
        }
    }

    @Test func tableChangedInsideAStreamedTransactionKeepsItsLayout() async throws {
        try await withStreaming { rig in
            try await rig.onTarget("ALTER TABLE ledger ADD extra int")
            try await rig.onSource(
                """
                BEGIN;
                INSERT INTO ledger SELECT i, repeat('x', 100) FROM generate_series(1, 3000) i;
                ALTER TABLE ledger ADD extra int;
                INSERT INTO ledger SELECT i, repeat('y', 100), i FROM generate_series(1, 3000) i;
                COMMIT;
                INSERT INTO ledger VALUES (1, 'after', 2);
                """)
            try await rig.catchUp()
            #expect(try await streamed(rig) == "t")
            try await rig.expectEqual()
        }
    }

    @Test func killedReceiveForgetsUnfinishedStreamsAndGetsThemAgain() async throws {
        try await withStreaming { rig in
            try rig.folder.write(
                "long.sql",
                """
                BEGIN;
                INSERT INTO ledger SELECT i, repeat(md5(i::text), 3) FROM generate_series(1, 5000) i;
                SELECT pg_advisory_lock_shared(7);
                INSERT INTO ledger SELECT i, 'second half' FROM generate_series(1, 3000) i;
                COMMIT;
                """)
            let holder = try rig.start(
                "exec psql -Xq -d \"$SOURCE\" -c 'SELECT pg_advisory_lock(7)' -c 'SELECT pg_sleep(60)'")
            try await rig.source.awaitSQL(
                """
                SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database
                 WHERE datname = current_database() AND locktype = 'advisory' AND granted
                """, equals: "1", database: rig.sourceDatabase)
            let writer = try rig.start("exec psql -Xqo /dev/null -v ON_ERROR_STOP=1 -d \"$SOURCE\" -f long.sql")
            let receive = try rig.stage("receive", ["--dir", rig.spool])
            // Its bytes arrive while the transaction is still running.
            try await rig.source.awaitSQL(
                "SELECT stream_bytes > 100000 FROM pg_stat_replication_slots WHERE slot_name = '\(rig.name)'",
                equals: "t")
            receive.kill()
            _ = try await receive.wait()
            try await rig.onSource(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE wait_event = 'PgSleep' AND datname = current_database()
                """)
            _ = try await holder.wait()
            try await writer.wait().checked("psql")
            try await rig.awaitFreeSlot()
            try await rig.catchUp()
            try await rig.expectEqual()
        }
    }
}
