import Glibc
import Observability
import TestSupport
import Testing

/// `clone switchover`: when it begins, what it does, and that a failure leaves everything as it was.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CloneSwitchoverTests {
    /// Views over views, with names in the wrong order.
    private static let views = """
        CREATE MATERIALIZED VIEW z_base AS SELECT count(*) AS n FROM parent;
        CREATE VIEW between AS SELECT n FROM z_base;
        CREATE MATERIALIZED VIEW a_top AS SELECT n FROM between;
        CREATE MATERIALIZED VIEW "M" AS SELECT n FROM a_top;
        CREATE MATERIALIZED VIEW empty AS SELECT n FROM a_top WITH NO DATA;
        CREATE SEQUENCE down INCREMENT -2; SELECT nextval('down');

        """

    @Test func itWaitsForTheLagAndSaysWhatItWouldDo() async throws {
        try await Rig.runClone { rig in
            try await rig.onSource(Self.views)
            let follower = try await rig.startFollower()
            // Before the first change it is known where the target is, too.
            var early = ""
            while !early.contains("\napplied     ") {
                early = try await rig.shell("clone status --dir \"$SPOOL\"").checked("status").output
            }
            // Its slot is in nobody's way.
            let check = try await rig.shell(rig.cloneCommand("check")).checked("check").output
            #expect(check.contains("a migration is under way in "), "\(check)")
            #expect(!check.contains("drop"), "\(check)")
            let ready = try await rig.shell(rig.cloneCommand("switchover --dry-run --fence")).checked("dry run")
            #expect(ready.output.contains("refresh \"public\".\"z_base\", \"public\".\"a_top\", \"public\".\"M\""))
            #expect(ready.output.contains("A switchover could be made now. Nothing was changed."), "\(ready)")

            let locker = try rig.start(
                "exec psql -Xqd \"$TARGET\" -c 'BEGIN; LOCK TABLE parent' -c '\\echo locked' -c 'SELECT pg_sleep(60)'")
            try await rig.target.awaitSQL(
                "SELECT count(*) FROM pg_locks WHERE relation = 'parent'::regclass AND mode = 'AccessExclusiveLock'",
                equals: "1", database: rig.targetDatabase)
            try await rig.onSource("INSERT INTO parent VALUES (77)")
            let behind = try await rig.shell(rig.cloneCommand("switchover --dry-run --max-lag 100ms"))
            #expect(behind.exitCode == ExitStatus.lagging.rawValue, "\(behind)")
            #expect(behind.output.contains("FAIL"), "\(behind)")
            let late = try await rig.shell(rig.cloneCommand("switchover --fence --max-lag 100ms --lag-timeout 1"))
            #expect(late.exitCode == ExitStatus.lagging.rawValue, "\(late)")
            #expect(late.stderr.contains("nothing was changed"), "\(late)")
            #expect(follower.isRunning)
            // The follower's status is the follower's again.
            try await rig.awaitStatus {
                $0.contains("phase       following, for") && $0.contains("replay      running")
            }
            try await rig.onSource("INSERT INTO parent VALUES (78)")

            // The same again, which now waits for as long as it takes.
            let plan = try await rig.shell(rig.cloneCommand("switchover --dry-run --max-lag 1000000s")).output
            let waiting = try rig.start(rig.cloneCommand("switchover --max-lag 1s"))
            try await waiting.awaitLog(containing: "waiting for 1.0 s")
            locker.killGroup()
            _ = try await rig.onTarget(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ 'pg_sleep' AND pid <> pg_backend_pid()
                   AND datname = current_database()
                """)
            let done = try await waiting.wait().checked("switchover")
            #expect(done.output.contains("3 materialized views") || done.output.contains("4 materialized views"))
            // What was done is what the dry run had listed, and the views once more.
            let listed = plan.split(separator: "\n").filter {
                $0.hasPrefix("  ") && $0.contains(". ") && $0.first { $0 != " " }?.isNumber == true
            }
            let steps = done.outputLines.drop { !$0.hasPrefix("step ") }.dropFirst().prefix { !$0.isEmpty }
            #expect(listed.count == steps.count + 1, "\(plan) \(done)")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            // The parent and its child.
            let counted = "SELECT a.n, m.n FROM a_top a, \"M\" m"
            #expect(try await rig.onTarget(counted) == "4|4")
            #expect(try await rig.onTarget("SELECT relispopulated FROM pg_class WHERE relname = 'empty'") == "f")
            try await rig.expectCloned()
            let again = try await rig.shell(rig.cloneCommand("switchover"))
            #expect(again.exitCode == ExitStatus.conflict.rawValue, "\(again)")
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
        }
    }

    /// A role's own setting goes before the database's, and the fence is one of these.
    @Test func aRoleThatWritesBehindAFenceIsNamed() async throws {
        try await Rig.runClone { rig in
            let roles = ["writer_\(rig.name)", "other_\(rig.name)", "reader_\(rig.name)"]
            for role in roles { try await rig.onSource("CREATE ROLE \(role) LOGIN") }
            try await rig.onSource(
                """
                ALTER ROLE \(roles[0]) IN DATABASE "\(rig.sourceDatabase)" SET default_transaction_read_only = off;
                ALTER ROLE \(roles[1]) IN DATABASE "\(rig.sourceDatabase)" SET default_transaction_read_only = 'False';
                ALTER ROLE \(roles[2]) IN DATABASE "\(rig.sourceDatabase)" SET default_transaction_read_only = 'yes'
                """)
            let follower = try await rig.startFollower()
            let checked = try await rig.shell(rig.cloneCommand("switchover --fence --dry-run"))
            #expect(checked.exitCode == ExitStatus.unsuitableServer.rawValue, "\(checked)")
            let refused = try await rig.shell(rig.cloneCommand("switchover --fence"))
            #expect(refused.exitCode == ExitStatus.unsuitableServer.rawValue, "\(refused)")
            #expect(!refused.stderr.contains(roles[2]), "\(refused)")
            // What it says to run is run.
            let advice = try #require(refused.stderr.firstRange(of: "run on the source: ")?.upperBound)
            try await rig.onSource(String(refused.stderr[advice...].prefix { !$0.isNewline }))
            try await rig.shell(rig.cloneCommand("switchover --fence")).checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            for role in roles {
                let string = rig.source.connectionString(database: rig.sourceDatabase, user: role)
                let said = try await rig.shell("psql -XAtqd '\(string)' -c 'SHOW default_transaction_read_only'")
                #expect(said.outputLines == ["on"] || role == roles[2], "\(role): \(said)")
                try await rig.onSource(
                    "BEGIN READ WRITE; ALTER ROLE \(role) IN DATABASE \"\(rig.sourceDatabase)\" RESET ALL; DROP ROLE \(role); COMMIT"
                )
            }
        }
    }

    @Test func whatFailsIsUndone() async throws {
        try await Rig.runClone { rig in
            let follower = try await rig.startFollower()
            try await rig.onTarget("UPDATE shop.people SET name = 'other' WHERE id = 17")
            let differs = try await rig.shell(rig.cloneCommand("switchover --fence --compare"))
            #expect(differs.exitCode == ExitStatus.failure.rawValue, "\(differs)")
            #expect(differs.stderr.contains("\"shop\".\"people\": differs"), "\(differs)")
            try await follower.awaitLog(containing: "the switchover was not made; following continues")
            try await rig.onSource("INSERT INTO parent VALUES (78)")
            try await rig.onTarget("UPDATE shop.people SET name = 'n17' WHERE id = 17")
            try await rig.target.awaitSQL(
                "SELECT count(*) FROM parent WHERE id = 78", equals: "1", database: rig.targetDatabase)
            follower.signal(SIGTERM)
            #expect(try await follower.wait().exitCode == 0)

            // A fence that nobody could lower is known to be ours, and lowered by whoever comes next.
            try await rig.killBehindTheFence()
            let status = try await rig.shell("clone status --dir \"$SPOOL\"").checked("status").output
            #expect(status.contains("RESET default_transaction_read_only"), "\(status)")
            try await rig.onTarget("DROP TABLE unlogged")
            let failed = try await rig.shell(rig.cloneCommand("switchover --fence --compare"))
            #expect(failed.exitCode == ExitStatus.drift.rawValue, "\(failed)")
            #expect(failed.stderr.contains("table public.unlogged: dropped on the target;"), "\(failed)")
            try await rig.onSource("INSERT INTO parent VALUES (90)")
            try await rig.onTarget("CREATE UNLOGGED TABLE unlogged (v int); INSERT INTO unlogged VALUES (1)")
            try await rig.killBehindTheFence()
            let second = try await rig.startFollower()
            #expect(second.stderr.contains("the source can be written to again"))
            try await rig.onSource("INSERT INTO parent VALUES (79)")

            // All is done but to say so; done again, nothing is lost.
            let late = try await rig.shell(
                "export WALRELAY_FAILPOINT=before-switch-done; " + rig.cloneCommand("switchover --fence"))
            #expect(late.signal == SIGKILL, "\(late)")
            try await second.awaitLog(containing: "the switchover was not made; following continues")
            let done = try await rig.shell(
                "export WALRELAY_SOURCE=\"$SOURCE password=hidden\" WALRELAY_TARGET=\"$TARGET password=hidden\"; "
                    + "clone switchover --fence --compare --dir \"$SPOOL\" "
                    + "--slot-name \"$NAME\" --origin \"$NAME\""
            ).checked("switchover")
            #expect(done.output.contains("tables, all equal"), "\(done)")
            #expect(try await second.wait().exitCode == 0, "\(second.stderr)")
            let undo = try #require(done.output.firstRange(of: "BEGIN READ WRITE;"), "\(done)")
            #expect(!done.output.contains("hidden") && !done.stderr.contains("hidden"))
            try await rig.expectCloned()
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
            try await rig.expectCleanedUp()
            // What it says to run does what it says.
            try await rig.onSource(String(done.output[undo.lowerBound...].prefix { $0 != "\n" }))
            try await rig.onSource("INSERT INTO parent VALUES (80)")
        }
    }

    /// A session keeps the default that it began with.
    @Test func whoConnectedUnderAFenceThatIsUndoneCanWriteAgain() async throws {
        try await Rig.runClone { rig in
            let follower = try await rig.startFollower()
            follower.signal(SIGTERM)
            _ = try await follower.wait()
            try await rig.killBehindTheFence()
            let locked = try rig.start(
                "exec psql -Xqd \"$SOURCE application_name=locked\" -c 'SHOW default_transaction_read_only' "
                    + "-c 'SELECT pg_sleep(60)'")
            let there = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'locked'"
            try await rig.source.awaitSQL(there + " AND query ~ 'sleep'", equals: "1", database: rig.sourceDatabase)
            let second = try await rig.startFollower()
            #expect(second.stderr.contains("ended 1 session that began while the source was read-only"))
            try await rig.source.awaitSQL(there, equals: "0", database: rig.sourceDatabase)
            #expect(try await !locked.wait().succeeded)
            try await rig.onSource("INSERT INTO parent VALUES (81)")
        }
    }

    @Test func whatCouldNotBeDoneIsNotBegun() async throws {
        try await Rig.runClone { rig in
            let follower = try await rig.startFollower()
            try await rig.source.sql("CREATE ROLE \(rig.name)_guest LOGIN REPLICATION")
            let source = rig.source.connectionString(database: rig.sourceDatabase) + " user=\(rig.name)_guest"
            for option in ["", "--dry-run"] {
                let refused = try await rig.shell(
                    "clone switchover --fence \(option) --source '\(source)' --target \"$TARGET\" --dir \"$SPOOL\" "
                        + "--slot-name \"$NAME\" --origin \"$NAME\"")
                #expect(refused.exitCode == ExitStatus.privilege.rawValue, "\(refused)")
                #expect((refused.output + refused.stderr).contains("GRANT pg_signal_backend TO"), "\(refused.output)")
            }
            #expect(follower.isRunning)
            follower.signal(SIGTERM)
            _ = try await follower.wait()
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
            let gone = try await rig.shell(rig.cloneCommand("switchover"))
            #expect(gone.exitCode == ExitStatus.conflict.rawValue, "\(gone)")
            try await rig.source.sql("DROP ROLE \(rig.name)_guest")
        }
    }

    @Test(arguments: try await PostgresInstallation.targetMajors())
    func severalConnectionsApply(_ targetMajor: Int) async throws {
        try await Rig.runClone(targetMajor: targetMajor) { rig in
            try await Load.prepare(rig)
            let follower = try await rig.startFollower("--apply-jobs 2")
            let load = try Load.start(rig, seconds: 5)
            try await rig.onSource("INSERT INTO child SELECT i, 'many' FROM generate_series(100, 20000) i")
            try await rig.source.awaitSQL(
                "SELECT count(*) > 100 FROM pgbench_history", equals: "t", database: rig.sourceDatabase)
            kill(try #require(try await rig.stage("replay", of: follower)), SIGKILL)
            try await load.wait().checked("pgbench")
            try await rig.onSource("UPDATE child SET v = 'again'")
            try await rig.shell(rig.cloneCommand("switchover --apply-jobs 3")).checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            #expect(follower.stderr.contains(" on several connections"), "\(follower.stderr)")
            try await rig.expectCloned()
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
            try await rig.expectCleanedUp()
        }
    }
}

extension Rig {
    /// Has a switchover die when it has just made the source read-only, with nobody else to undo that.
    func killBehindTheFence() async throws {
        let killed = try await shell("export WALRELAY_FAILPOINT=after-fence; " + cloneCommand("switchover --fence"))
        #expect(killed.signal == SIGKILL, "\(killed)")
        await #expect(throws: (any Error).self) { try await onSource("INSERT INTO parent VALUES (79)") }
    }

    /// Starts a clone, and waits until it applies changes.
    func startFollower(_ arguments: String = "") async throws -> RunningProgram {
        let follower = try startClone("--follow \(arguments)")
        try await follower.awaitLog(containing: "connected to the target")
        return follower
    }
}
