import Glibc
import Observability
import TestSupport
import Testing

/// `clone compare`, and the fence of `clone switchover`.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CloneCompareTests {
    @Test func whatDiffersIsNamed() async throws {
        try await Rig.runClone { rig in
            try await rig.clone().checked("clone")
            let equal = try await rig.shell(rig.cloneCommand("compare"))
            try equal.checked("compare")
            #expect(equal.output.contains("the definitions are equal") && equal.output.contains("tables are equal"))

            try await rig.onTarget(
                """
                UPDATE shop.people SET name = 'other' WHERE id = 17; DELETE FROM shop.people WHERE id = 2001;
                UPDATE m SET v = NULL WHERE id = 3; INSERT INTO m VALUES (9, '2020-01-01', 'more');
                DELETE FROM "odd "" schema"."t a,b" WHERE "c ""d" = 3;
                DROP TABLE unlogged; ALTER TABLE parent ALTER id SET DEFAULT 7; DROP INDEX shop.people_name;
                CREATE VIEW late AS SELECT 1 AS one
                """)
            let differs = try await rig.shell(rig.cloneCommand("compare"))
            #expect(differs.exitCode == 1, "\(differs)")
            for line in [
                "\"shop\".\"people\": differs: (id) = (17)", "\"shop\".\"people\": not on the target: (id) = (2001)",
                "\"public\".\"m_old\": differs: (id, d) = (3,2023-12-04)",
                "\"public\".\"m_old\": not on the source: (id, d) = (9,2020-01-01)",
                "\"public\".\"unlogged\": relation \"public.unlogged\" does not exist", "differs: TABLE public.parent",
                "only on the source: INDEX shop.people_name", "only on the target: VIEW public.late",
                "only on the source: TABLE public.unlogged",
                "\n    -    id integer NOT NULL\n    +    id integer DEFAULT 7 NOT NULL",
            ] {
                #expect(differs.output.contains(line), "\(line) is missing: \(differs.output)")
            }
            let states = differs.outputLines.filter { $0.hasPrefix("\"") }.map { $0.split(separator: "  ").prefix(2) }
            #expect(states.count == 4, "\(states)")
            let json = try await rig.shell(rig.cloneCommand("compare data --json"))
            #expect(json.exitCode == 1 && json.output.contains("\"state\":\"missing\""), "\(json)")
        }
    }

    /// When one thread fails, the others are asked to stop. That is no wish of the user's.
    @Test func aSessionThatIsLostIsNoStop() async throws {
        try await Rig.runClone { rig in
            try await rig.clone().checked("clone")
            let locker = try rig.start(
                "exec psql -Xqd \"$TARGET\" -c 'BEGIN; LOCK TABLE shop.people' -c 'SELECT pg_sleep(60)'")
            let waiting =
                "FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'walrelay%'"
            try await rig.target.awaitSQL(
                "SELECT count(*) FROM pg_locks WHERE relation = 'shop.people'::regclass AND mode = 'AccessExclusiveLock' AND granted",
                equals: "1", database: rig.targetDatabase)
            let compare = try rig.start(rig.cloneCommand("compare data"))
            try await rig.target.awaitSQL(
                "SELECT count(*) > 0 \(waiting) AND wait_event_type = 'Lock'", equals: "t", database: rig.targetDatabase
            )
            try await rig.onTarget("SELECT pg_terminate_backend(pid) \(waiting)")
            let lost = try await compare.wait()
            #expect(lost.exitCode == ExitStatus.connection.rawValue, "\(lost)")
            #expect(!lost.stderr.contains("stopped before"), "\(lost)")
            locker.killGroup()
        }
    }

    /// What a dump and a restore print otherwise than it was typed is equal; the least difference beside it is not.
    @Test(arguments: try await PostgresInstallation.targetMajors())
    func whatIsOnlyPrintedOtherwiseIsEqual(_ targetMajor: Int) async throws {
        try await Rig.run(targetMajor: targetMajor, publication: nil, createsSlot: false) { rig in
            try await rig.onSource(
                """
                CREATE DOMAIN short AS varchar(9) CHECK (VALUE IN ('a', 'b'));
                CREATE TABLE kinds (
                  id int PRIMARY KEY, k varchar(9) CHECK (k IN ('a', 'b')), s short,
                  d varchar(9) DEFAULT CASE WHEN 'x'::varchar IN ('x', 'y') THEN 'in' ELSE 'out' END);
                CREATE INDEX kinds_a ON kinds (id) WHERE k IN ('a', 'b');
                CREATE INDEX kinds_b ON kinds ((k IN ('c', 'd')));
                CREATE VIEW kinds_v AS SELECT id FROM kinds WHERE k NOT IN ('a', 'c');
                ALTER TABLE kinds ADD CONSTRAINT later CHECK (k NOT IN ('e', 'f')) NOT VALID;
                """)
            try await rig.clone().checked("clone")
            let equal = try await rig.shell(rig.cloneCommand("compare")).checked("compare")
            #expect(equal.output.contains("the definitions are equal"), "\(equal)")
            try await rig.onTarget(
                """
                ALTER TABLE kinds DROP CONSTRAINT kinds_k_check, ADD CHECK (k IN ('a', 'b', 'c'));
                DROP INDEX kinds_a; CREATE INDEX kinds_a ON kinds (id) WHERE k IN ('a', 'c')
                """)
            let differs = try await rig.shell(rig.cloneCommand("compare schema"))
            #expect(differs.exitCode == 1, "\(differs)")
            #expect(differs.output.contains("differs: TABLE public.kinds"), "\(differs)")
            #expect(differs.output.contains("differs: INDEX public.kinds_a"), "\(differs)")
            #expect(!differs.output.contains("kinds_b") && !differs.output.contains("DOMAIN"), "\(differs)")
        }
    }

    /// LATIN1 has other bytes for the same characters.
    @Test func charactersAreComparedNotBytes() async throws {
        try await Rig.runClone { rig in
            let latin = try await rig.source.createDatabase(prefix: "latin", options: "ENCODING LATIN1 LOCALE 'C'")
            let source = rig.source.connectionString(database: latin)
            try await rig.source.sql(
                "CREATE TABLE \"größe\" (id int PRIMARY KEY, \"maß\" text); INSERT INTO \"größe\" VALUES (1, 'groß'), (2, 'klein')",
                database: latin)
            func run(_ command: String) async throws -> Finished {
                try await rig.shell("exec clone \(command) --source '\(source)' --target \"$TARGET\" --dir \"$SPOOL\"")
            }
            try await run("copy").checked("clone")
            try await run("compare").checked("compare")
            try await rig.onTarget("UPDATE \"größe\" SET \"maß\" = 'gross' WHERE id = 1")
            let differs = try await run("compare data")
            #expect(differs.output.contains("\"public\".\"größe\": differs: (id) = (1)"), "\(differs)")
            try await rig.source.dropDatabase(latin)
        }
    }

    @Test func aPlainCopyCannotBeFollowedLater() async throws {
        try await Rig.runClone { rig in
            try await rig.clone().checked("clone")
            let late = try await rig.clone("--follow")
            #expect(late.exitCode == ExitStatus.usage.rawValue, "\(late)")
            #expect(late.stderr.contains("was made without --follow"), "\(late)")
        }
    }

    @Test func otherServersThanTheMigrationsAreRefused() async throws {
        try await Rig.runClone { rig in
            try await rig.clone().checked("clone")
            let other = try await rig.target.createDatabase(prefix: "other")
            let wrong = rig.target.connectionString(database: other)
            let refused = try await rig.shell(
                "exec clone compare --source \"$SOURCE\" --target '\(wrong)' --dir \"$SPOOL\" --slot-name \"$NAME\"")
            #expect(refused.exitCode == ExitStatus.foreign.rawValue, "\(refused)")
            #expect(refused.stderr.contains("the target is database \"\(other)\""), "\(refused)")
            try await rig.target.dropDatabase(other)
        }
    }

    @Test func aFollowedTargetIsComparedWhenItHasCaughtUp() async throws {
        try await Rig.runClone { rig in
            try await Load.prepare(rig)
            let follower = try rig.startClone("--follow")
            try await follower.awaitLog(containing: "following the source's changes")
            let load = try Load.start(rig, seconds: 5)
            let during = try await rig.shell(rig.cloneCommand("compare data"))
            // What the load writes to all the time cannot be compared, and nothing differs for good.
            let states = Set(
                during.outputLines.filter { $0.hasPrefix("\"") }.compactMap {
                    $0.split(separator: " ").dropFirst().first
                })
            #expect(states.subtracting(["changing"]).isEmpty, "\(during)")
            #expect(during.exitCode == (states.isEmpty ? 0 : ExitStatus.incomplete.rawValue), "\(during)")
            try await load.wait().checked("pgbench")
            try await rig.shell(rig.cloneCommand("compare")).checked("compare")
            follower.signal(SIGTERM)
            _ = try await follower.wait()
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
        }
    }

    @Test func aFenceStopsWritersUntilTheEndOrAFailure() async throws {
        try await Rig.runClone { rig in
            let follower = try rig.startClone("--follow --stop-when-blocked")
            try await follower.awaitLog(containing: "following the source's changes")
            let application = try rig.start("exec psql -Xq \"$SOURCE\" -c 'SELECT pg_sleep(600)'")
            // The target cannot take this: the switchover fails, and the application continues with the source.
            try await rig.onTarget("ALTER TABLE parent ADD CONSTRAINT refuses CHECK (id < 77) NOT VALID")
            try await rig.onSource("INSERT INTO parent VALUES (77)")
            // Other tests' databases write WAL too, which the target is behind by while it is stuck.
            let failed = try await rig.shell(rig.cloneCommand("switchover --fence --max-lag 1000GB"))
            #expect(failed.exitCode == 16, "\(failed)")
            #expect(failed.stderr.contains("the source can be written to again"), "\(failed)")
            #expect(try await application.wait().exitCode != 0)
            _ = try await follower.wait()
            try await rig.onSource("INSERT INTO parent VALUES (78)")

            try await rig.onTarget("ALTER TABLE parent DROP CONSTRAINT refuses")
            let switched = try await rig.shell(rig.cloneCommand("switchover --fence")).checked("switchover")
            #expect(switched.output.contains("RESET default_transaction_read_only;"))
            await #expect(throws: (any Error).self) { try await rig.onSource("INSERT INTO parent VALUES (79)") }
            try await rig.expectCloned()
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
            try await rig.expectCleanedUp()
        }
    }
}
