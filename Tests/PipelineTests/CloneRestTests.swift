import Glibc
import Observability
import TestSupport
import Testing

/// What no stream of changes carries, and what could still be committed: on the target after the switchover, or refused by
/// name.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CloneRestTests {
    private static let schema = """
        CREATE TABLE keyless (v int, t text); INSERT INTO keyless SELECT i, 'k' || i FROM generate_series(1, 500) i;
        CREATE UNLOGGED TABLE fast (id int PRIMARY KEY, v text);
        CREATE TABLE refers (id int PRIMARY KEY, fast int); CREATE TABLE quiet (v int); INSERT INTO quiet VALUES (1);
        SELECT lo_from_bytea(70001, 'kept'), lo_from_bytea(70002, 'changed'), lo_from_bytea(70003, 'removed');

        """

    private static let changes = """
        UPDATE keyless SET t = 'new' WHERE v % 7 = 0; DELETE FROM keyless WHERE v > 490; INSERT INTO keyless VALUES (0, 'in');
        INSERT INTO fast SELECT i, 'f' || i FROM generate_series(1, 50) i;
        SELECT lo_put(70002, 0, 'CHANGED'), lo_unlink(70003), lo_from_bytea(70004, 'made');
        GRANT SELECT ON LARGE OBJECT 70004 TO PUBLIC;

        """

    private static let objects = """
        SELECT string_agg(oid || '=' || encode(lo_get(oid), 'escape') || coalesce(lomacl::text, ''), ' ' ORDER BY oid)
          FROM pg_largeobject_metadata
        """

    @Test(arguments: try await PostgresInstallation.targetMajors())
    func itIsBroughtOver(_ targetMajor: Int) async throws {
        try await Rig.runClone(targetMajor: targetMajor) { rig in
            try await rig.onSource(Self.schema)
            let follower = try await rig.startFollower()
            try await rig.onSource(Self.changes)
            let dry = try await rig.shell(rig.cloneCommand("switchover --dry-run")).checked("dry run").output
            for name in [
                "\"public\".\"keyless\" (no replica identity)", "\"public\".\"fast\" (unlogged)", "large objects (",
            ] {
                #expect(dry.contains(name), "\(dry)")
            }
            let strict = try await rig.shell(rig.cloneCommand("switchover --fence --rest refuse"))
            #expect(strict.exitCode == ExitStatus.drift.rawValue, "\(strict)")
            #expect(
                strict.stderr.contains("\"public\".\"fast\", \"public\".\"keyless\", 3 large objects")
                    || strict.stderr.contains("3 large objects, "), "\(strict)")
            try await rig.onSource("INSERT INTO keyless VALUES (-1, 'after')")
            // Killed in the middle, and done again.
            let killed = try await rig.shell(
                "export WALRELAY_FAILPOINT=after-table; " + rig.cloneCommand("switchover --fence"))
            #expect(killed.signal == SIGKILL, "\(killed)")
            let done = try await rig.shell(rig.cloneCommand("switchover --fence --compare")).checked("switchover")
            #expect(done.output.contains("brought over again"), "\(done)")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            #expect(try await rig.onTarget(Self.objects) == rig.source.sql(Self.objects, database: rig.sourceDatabase))
            #expect(try await rig.onTarget("SELECT count(*), sum(v) FROM keyless WHERE t = 'new'") == "70|17395")
            #expect(try await rig.onTarget("SELECT count(*) FROM fast") == "50")
            try await rig.expectCloned()
        }
    }

    @Test func itIsLeftAsAskedOrRefusedBeforeTheFence() async throws {
        try await Rig.runClone { rig in
            try await rig.onSource(Self.schema)
            let follower = try await rig.startFollower()
            try await rig.onSource("INSERT INTO fast SELECT i, repeat('x', 900) FROM generate_series(1, 60000) i")
            let long = try await rig.shell(rig.cloneCommand("switchover --fence --rest-limit 0"))
            #expect(long.exitCode == ExitStatus.drift.rawValue, "\(long)")
            #expect(long.stderr.contains("allow more with --rest-limit"), "\(long)")
            #expect(follower.isRunning)
            let left = try await rig.shell(rig.cloneCommand("switchover --fence --rest ignore")).checked("switchover")
            #expect(left.stderr.contains("left as the target has it, as asked:"), "\(left)")
            #expect(try await rig.onTarget("SELECT count(*) FROM fast") == "0")
            #expect(try await follower.wait().exitCode == 0)
        }
    }

    /// A table that was out of the publication for a while is compared, whatever it is in now.
    /// Statements that the stream says nothing of, and after which a table's definition is what it was.
    private static let rewrites: [(table: String, statement: String)] = [
        ("using_it", "ALTER TABLE using_it ALTER v TYPE int USING v + 1"),
        (
            "again",
            "ALTER TABLE again DROP t; ALTER TABLE again ADD t text DEFAULT 'new'; ALTER TABLE again ALTER t DROP DEFAULT"
        ),
        (
            "m_old",
            """
            ALTER TABLE m DETACH PARTITION m_old; UPDATE m_old SET v = 'away' WHERE id < 5; INSERT INTO m_old VALUES (900, '2020-01-01', 'away');
            ALTER TABLE m ATTACH PARTITION m_old FOR VALUES FROM (MINVALUE) TO ('2024-01-01')
            """
        ),
        (
            "m_new_0",
            """
            ALTER TABLE m_new DETACH PARTITION m_new_0; DELETE FROM m_new_0; ALTER TABLE m_new ATTACH PARTITION m_new_0
              FOR VALUES WITH (MODULUS 2, REMAINDER 0)
            """
        ),
        ("q_1", "ALTER TABLE q_1 SET UNLOGGED; INSERT INTO q VALUES (5, 'unlogged'); ALTER TABLE q_1 SET LOGGED"),
        ("q_2", "DROP TABLE q_2; CREATE TABLE q_2 PARTITION OF q FOR VALUES FROM (100) TO (200)"),
        (
            "left_one",
            "ALTER TABLE left_one RENAME TO x; ALTER TABLE right_one RENAME TO left_one; ALTER TABLE x RENAME TO right_one"
        ),
        (
            "swapped",
            "ALTER TABLE swapped RENAME a TO x; ALTER TABLE swapped RENAME b TO a; ALTER TABLE swapped RENAME x TO b"
        ),
    ]

    @Test(arguments: try await PostgresInstallation.targetMajors().prefix(1))
    func whatWasWrittenAnewIsCompared(_ targetMajor: Int) async throws {
        try await Rig.runClone(targetMajor: targetMajor) { rig in
            try await rig.onSource(
                """
                CREATE TABLE using_it (id int PRIMARY KEY, v int); INSERT INTO using_it VALUES (1, 10), (2, 20);
                CREATE TABLE again (id int PRIMARY KEY, t text); INSERT INTO again VALUES (1, 'old');
                CREATE TABLE q (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
                CREATE TABLE q_1 PARTITION OF q FOR VALUES FROM (0) TO (100);
                CREATE TABLE q_2 PARTITION OF q FOR VALUES FROM (100) TO (200); INSERT INTO q VALUES (1, 'a'), (100, 'b');
                CREATE TABLE left_one (id int PRIMARY KEY); CREATE TABLE right_one (id int PRIMARY KEY);
                INSERT INTO left_one VALUES (1); INSERT INTO right_one VALUES (2);
                CREATE TABLE swapped (id int PRIMARY KEY, a int, b int); INSERT INTO swapped VALUES (1, 1, 2);
                CREATE TABLE verified (id int PRIMARY KEY); INSERT INTO verified SELECT generate_series(1, 100);
                """)
            let follower = try await rig.startFollower()
            let before = try await rig.shell(rig.cloneCommand("switchover --dry-run")).checked("dry run").output
            #expect(!before.contains("rewritten or made again"), "\(before)")
            for (_, statement) in Self.rewrites { try await rig.onSource(statement) }
            try await rig.onSource("VACUUM FULL verified")
            let dry = try await rig.shell(rig.cloneCommand("switchover --dry-run")).output
            for name in Self.rewrites.map(\.table) + ["right_one", "verified"] {
                #expect(
                    dry.contains("\"public\".\"\(name)\" (rewritten or made again since the copy)")
                        || dry.contains("more"), "\(name): \(dry)")
            }
            // What a comparison has found equal meanwhile need not be compared again.
            _ = try await rig.shell(rig.cloneCommand("compare data"))
            let later = try await rig.shell(rig.cloneCommand("switchover --dry-run")).output
            #expect(later.contains("\"again\"") && !later.contains("verified"), "\(later)")
            let done = try await rig.shell(rig.cloneCommand("switchover --fence --accept-drift")).checked("switchover")
            #expect(done.output.contains("brought over again"), "\(done)")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            #expect(try await rig.onTarget("SELECT string_agg(v::text, ',' ORDER BY id) FROM using_it") == "11,21")
            let differences = try await DatabaseComparison.differences(
                source: (rig.source, rig.sourceDatabase), target: (rig.target, rig.targetDatabase))
            #expect(differences == [])
        }
    }

    @Test func aTableThatWasTakenOutIsCompared() async throws {
        try await Rig.runClone { rig in
            let follower = try await rig.startFollower("--drift-interval 1")
            try await rig.onSource("ALTER PUBLICATION \"\(rig.name)\" DROP TABLE child")
            try await follower.awaitLog(
                containing: "of public.child: taken out; its rows are compared in the switchover")
            try await rig.onSource(
                """
                INSERT INTO child VALUES (500, 'lost'); UPDATE child SET v = 'lost' WHERE id = 2;
                ALTER PUBLICATION "\(rig.name)" ADD TABLE ONLY child; INSERT INTO child VALUES (501, 'sent');
                """)
            let done = try await rig.shell(rig.cloneCommand("switchover --fence")).checked("switchover")
            #expect(done.output.contains("\"public\".\"child\" brought over again"), "\(done)")
            #expect(try await follower.wait().exitCode == 0)
            #expect(try await rig.onTarget("SELECT string_agg(v, ',' ORDER BY id) FROM child") == "lost,lost,sent")
            try await rig.expectCloned()
        }
    }

    @Test(arguments: ["", "--refresh-inside"]) func aViewThatIsFilledLaterIsFilled(_ option: String) async throws {
        try await Rig.runClone { rig in
            try await rig.onSource(
                "CREATE MATERIALIZED VIEW later AS SELECT 1 AS n WITH NO DATA; CREATE MATERIALIZED VIEW never AS SELECT 1 AS n WITH NO DATA"
            )
            let follower = try await rig.startFollower()
            try await rig.onSource("REFRESH MATERIALIZED VIEW later")
            try await rig.shell(rig.cloneCommand("switchover --fence \(option)")).checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            let filled =
                "SELECT string_agg(relname, ',') FROM pg_class WHERE relkind = 'm' AND relispopulated AND relname IN ('later', 'never')"
            #expect(try await rig.onTarget(filled) == "later")
        }
    }

    /// Applications use the target already: what the source would say of its views is of no matter then.
    @Test func aReleaseDoesWithoutItsSource() async throws {
        let source = try await Cluster.start(name: "dies behind the release")
        try await Rig.run(source: source, publication: nil, createsSlot: false) { rig in
            try await rig.onSource(
                "CREATE TABLE t (id int PRIMARY KEY); CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM t")
            let follower = try await rig.startFollower()
            try await rig.onSource("INSERT INTO t VALUES (1)")
            let switchover = try rig.start(
                "export WALRELAY_FAILPOINT=before-switch-done:1:stop; "
                    + rig.cloneCommand("switchover --fence --on-event true"))
            try await switchover.awaitStop()
            try await source.stop(mode: .immediate)
            switchover.signal(SIGCONT)
            let done = try await switchover.wait().checked("switchover")
            #expect(done.stderr.contains("cannot ask the source which materialized views"), "\(done)")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            #expect(try await rig.onTarget("SELECT n FROM v") == "1")
            try await source.startAgain()
        }
        try await source.remove()
    }

    /// Before 18 a generated column is never sent, also where it is the key.
    @Test func aKeyThatIsGeneratedSendsNoUpdates() async throws {
        try await Rig.runClone { rig in
            let columns = "v int, twice int GENERATED ALWAYS AS (v * 2) STORED PRIMARY KEY, t text"
            try await rig.onSource(
                """
                CREATE TABLE by_twice (\(columns)); INSERT INTO by_twice VALUES (1, DEFAULT, 'a'), (2, DEFAULT, 'b');
                CREATE TABLE by_row (\(columns)); INSERT INTO by_row VALUES (1, DEFAULT, 'a'), (2, DEFAULT, 'b');
                """)
            let check = try await rig.shell(rig.cloneCommand("check")).checked("check").output
            #expect(check.contains("ALTER TABLE \"public\".\"by_twice\" REPLICA IDENTITY FULL;"), "\(check)")
            try await rig.onSource("ALTER TABLE by_row REPLICA IDENTITY FULL")
            let follower = try await rig.startFollower()
            for table in ["by_twice", "by_row"] {
                try await rig.onSource(
                    """
                    UPDATE \(table) SET v = 7 WHERE v = 1; UPDATE \(table) SET t = 'changed' WHERE v = 2;
                    INSERT INTO \(table) VALUES (3, DEFAULT, 'c'), (4, DEFAULT, 'd'); DELETE FROM \(table) WHERE v = 4;
                    """)
            }
            let done = try await rig.shell(rig.cloneCommand("switchover --fence --compare")).checked("switchover")
            #expect(done.output.contains("\"public\".\"by_twice\" brought over again"), "\(done)")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            try await rig.expectCloned()
        }
    }

    @Test func nothingInFlightIsLost() async throws {
        try await Rig.runClone { rig in
            let follower = try await rig.startFollower()
            try await rig.onSource("BEGIN; INSERT INTO parent VALUES (300); PREPARE TRANSACTION 'held \(rig.name)'")
            for option in ["--dry-run", "--fence"] {
                let refused = try await rig.shell(rig.cloneCommand("switchover \(option)"))
                #expect(refused.exitCode == ExitStatus.conflict.rawValue, "\(refused)")
                #expect((refused.output + refused.stderr).contains("'held \(rig.name)'"), "\(refused.output)")
            }
            #expect(follower.isRunning)
            try await rig.onSource("COMMIT PREPARED 'held \(rig.name)'")

            // An application that has written and does not end is waited for, and named.
            let writer = try rig.start(
                "exec psql -Xqd \"$SOURCE application_name=slow\" -c 'BEGIN; INSERT INTO parent VALUES (301)' "
                    + "-c '\\echo written' -c 'SELECT pg_sleep(60)' -c COMMIT")
            try await rig.source.awaitSQL(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'slow' AND query ~ 'sleep'",
                equals: "1",
                database: rig.sourceDatabase)
            let waited = try await rig.shell(rig.cloneCommand("switchover --in-flight-timeout 1"))
            #expect(waited.exitCode == ExitStatus.conflict.rawValue, "\(waited)")
            #expect(waited.stderr.contains(", slow, since "), "\(waited)")
            writer.killGroup()
            _ = try await writer.wait()
            let done = try await rig.shell(rig.cloneCommand("switchover --fence")).checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            #expect(done.output.contains("The target has everything up to"))
            try await rig.expectCloned()
        }
    }

    @Test func whatIsWrittenAfterTheEndIsNoticed() async throws {
        try await Rig.runClone { rig in
            let follower = try await rig.startFollower()
            // Someone who takes the right to write: the fence is a default, not a wall.
            let late = try rig.start(
                "export WALRELAY_FAILPOINT=after-drain:1:stop; " + rig.cloneCommand("switchover --fence"))
            try await late.awaitStop()
            try await rig.onSource("BEGIN READ WRITE; INSERT INTO parent VALUES (400); COMMIT")
            late.signal(SIGCONT)
            let refused = try await late.wait()
            #expect(refused.exitCode == ExitStatus.conflict.rawValue, "\(refused)")
            #expect(
                refused.stderr.contains("committed on the source: 1 change after the position"), "\(refused)")
            try await rig.shell(rig.cloneCommand("switchover --fence --compare")).checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            try await rig.expectCloned()
        }
    }

    @Test func aSubscriptionOfTheSourceIsNoticed() async throws {
        try await Rig.runClone { rig in
            let follower = try await rig.startFollower()
            try await rig.onSource(
                """
                CREATE SUBSCRIPTION "from elsewhere" CONNECTION 'host=/nowhere dbname=x' PUBLICATION p WITH (connect = false);
                ALTER SUBSCRIPTION "from elsewhere" ENABLE
                """)
            let refused = try await rig.shell(rig.cloneCommand("switchover --fence"))
            #expect(refused.exitCode == ExitStatus.conflict.rawValue, "\(refused)")
            let statement = try #require(refused.stderr.firstRange(of: "ALTER SUBSCRIPTION"), "\(refused)")
            try await rig.onSource(String(refused.stderr[statement.lowerBound...].prefix { $0 != ";" }))
            try await rig.shell(rig.cloneCommand("switchover --fence")).checked("switchover")
            #expect(try await follower.wait().exitCode == 0)
            try await rig.onSource(
                """
                SET default_transaction_read_only = off; ALTER SUBSCRIPTION "from elsewhere" SET (slot_name = NONE); DROP SUBSCRIPTION "from elsewhere"
                """)
        }
    }
}
