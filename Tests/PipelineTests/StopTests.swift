import Glibc
import TestSupport
import Testing

/// A stop ends every program within ten seconds, whatever it waits for, and is never reported as anything else.
@Suite(.serialized, .timeLimit(.minutes(10)))
struct StopTests {
    private static let schema = "CREATE TABLE t (id int PRIMARY KEY, v text)"

    @Test(arguments: [("", ""), ("--lanes 3", "--jobs 3 --jobs-min-changes 1 --spool \"$SPOOL\"")])
    func replayThatWaitsForALock(_ lanes: String, _ jobs: String) async throws {
        try await Rig.run(Self.schema) { rig in
            try await rig.onSource("INSERT INTO t SELECT g, 'x' FROM generate_series(1, 1000) g")
            try await rig.capture()
            try await rig.shell("transform -q \(lanes) \"$SPOOL\" >batches").checked("transform")
            let holder = try await rig.hold(rig.target, rig.targetDatabase, "LOCK TABLE t")
            let replay = try rig.start(
                "exec $(command -v replay) --target \"$TARGET\" --origin \"$NAME\" \(jobs) <batches")
            try await rig.awaitWaiting(rig.target, rig.targetDatabase)
            try await rig.expectStop(replay, 0)
            #expect(replay.stderr.contains("stopped; the target is at"))
            try await rig.expectQuiet()
            try await rig.release(holder, rig.target, rig.targetDatabase)
            try await rig.apply()
            try await rig.expectEqual()
        }
    }

    @Test func whoeverMakesASlotBehindAnOldTransaction() async throws {
        let source = try await Cluster.start(name: "busy")
        try await Rig.run(Self.schema, source: source, createsSlot: false) { rig in
            let holder = try await rig.hold(rig.source, rig.sourceDatabase, "SELECT pg_current_xact_id()")
            let making = "backend_type = 'walsender' AND wait_event_type = 'Lock'"
            let receive = try rig.stage("receive", ["--dir", rig.spool, "--create-slot", "--start"])
            try await rig.awaitWaiting(rig.source, rig.sourceDatabase, making)
            try await rig.expectStop(receive, 14)
            try await rig.expectQuiet()
            try await rig.onTarget("DROP TABLE t")
            try await rig.onSource("DROP PUBLICATION relay")
            let clone = try rig.startClone("--follow")
            try await rig.awaitWaiting(rig.source, rig.sourceDatabase, making)
            try await rig.expectStop(clone, 14)
            try await rig.expectQuiet()
            try await rig.expectCleanedUp()
            try await rig.release(holder, rig.source, rig.sourceDatabase)
            try await rig.clone().checked("clone")
        }
        try await source.remove()
    }

    @Test func receiveToAPipe() async throws {
        try await Rig.run(Self.schema) { rig in
            let idle = try rig.stage("receive", ["--stdout"], ">log")
            try await idle.awaitLog(containing: "streaming from slot")
            try await rig.expectStop(idle, 0, within: .seconds(3))
            try await rig.expectQuiet()
            try await rig.awaitFreeSlot()
            try await rig.onSource("INSERT INTO t SELECT g, md5(g::text) FROM generate_series(1, 90000) g")
            let blocked = try Chain(rig, ["receive": "--stdout", "sleep": "100"])
            try await blocked.awaitFullInput(of: "sleep")
            try await blocked.signal("receive", SIGINT)
            try await Task.sleep(for: .seconds(11))
            try await rig.expectQuiet()
            try await blocked.signal("sleep", SIGKILL)
            #expect(try await blocked.end()["receive"] == 130)
        }
    }

    /// What the session of clone on the target waits in; the source's own sessions do not.
    private static let slowly = """
        CREATE FUNCTION slowly(int) RETURNS bool LANGUAGE sql IMMUTABLE AS $$
          SELECT CASE WHEN pg_catalog.current_setting('application_name') OPERATOR(pg_catalog.~) '^walrelay'
            AND pg_catalog.current_database() OPERATOR(pg_catalog.~) '^target'
            THEN pg_catalog.pg_sleep(300) IS NOT NULL ELSE true END $$;
        CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1);
        """

    @Test(arguments: ["rows", "index"], [("", 1), ("--follow", 1), ("--follow", 2)])
    func cloneThatWaitsOnTheTarget(_ place: String, _ how: (follow: String, signals: Int)) async throws {
        let (follow, signals) = how
        try await Rig.run(publication: nil, createsSlot: false) { rig in
            try await rig.onSource(
                Self.slowly
                    + (place == "rows"
                        ? "ALTER TABLE t ADD CHECK (slowly(id))" : "CREATE INDEX late ON t (id) WHERE slowly(id)"))
            let clone = try rig.startClone(follow)
            try await rig.awaitWaiting(rig.target, rig.targetDatabase, "wait_event = 'PgSleep'")
            if signals == 2 {
                clone.signal(SIGINT)
                try await clone.awaitLog(containing: "stopping:")
                try await rig.expectStop(clone, 130, signal: SIGINT, within: .seconds(1))
                try await Task.sleep(for: .seconds(1))
            } else {
                try await rig.expectStop(clone, 14)
            }
            try await rig.expectQuiet()
            if !follow.isEmpty { _ = try await rig.shell(rig.cloneCommand("cleanup")) }
        }
    }

    @Test func cloneThatWaitsForPgDumpAndCompareThatWaitsForATable() async throws {
        try await Rig.run(Self.schema, publication: nil, createsSlot: false) { rig in
            try await rig.onTarget("INSERT INTO t VALUES (1)")
            var holder = try await rig.hold(rig.target, rig.targetDatabase, "LOCK TABLE t")
            for part in ["data", "schema"] {
                let compare = try rig.startClone("compare \(part)")
                try await rig.awaitWaiting(rig.target, rig.targetDatabase)
                try await rig.expectStop(compare, 14)
                try await rig.expectQuiet()
            }
            try await rig.release(holder, rig.target, rig.targetDatabase)
            try await rig.onTarget("DROP TABLE t")
            holder = try await rig.hold(rig.source, rig.sourceDatabase, "LOCK TABLE t")
            for word in ["", "--follow"] {
                let clone = try rig.startClone(word)
                try await rig.awaitWaiting(rig.source, rig.sourceDatabase)
                try await rig.expectStop(clone, 14)
                try await rig.expectQuiet()
            }
            try await rig.release(holder, rig.source, rig.sourceDatabase)
            try await rig.expectCleanedUp()
        }
    }

    @Test func switchoverAndItsFollowerThatWaitForALock() async throws {
        try await Rig.run("CREATE TABLE t (id int PRIMARY KEY)", publication: nil, createsSlot: false) { rig in
            try await rig.onTarget("DROP TABLE t")
            let follower = try await rig.startFollower()
            let holder = try await rig.hold(rig.target, rig.targetDatabase, "LOCK TABLE t")
            try await rig.onSource("INSERT INTO t VALUES (1)")
            try await rig.awaitWaiting(rig.target, rig.targetDatabase)
            let switchover = try rig.startClone("switchover --fence --max-lag 1GB")
            try await switchover.awaitLog(containing: "the end position is")
            try await rig.expectStop(switchover, 14)
            #expect(try await rig.onSource("SHOW default_transaction_read_only") == "off")
            // The follower waits for the lock as before; where there is none, the switchover's own stages do.
            try await rig.awaitWaiting(rig.target, rig.targetDatabase)
            follower.signal(SIGTERM)
            #expect(try await follower.wait(within: .seconds(20)).exitCode == 0, "\(follower.stderr)")
            try await rig.expectQuiet()
            let alone = try rig.startClone("switchover --fence --max-lag 1GB")
            try await alone.awaitLog(containing: "the end position is")
            try await rig.awaitWaiting(rig.target, rig.targetDatabase)
            try await rig.expectStop(alone, 14)
            try await rig.expectQuiet()
            try await rig.release(holder, rig.target, rig.targetDatabase)
            try await rig.shell(rig.cloneCommand("switchover")).checked("switchover")
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
        }
    }

    @Test func aServerThatNeverAnswers() async throws {
        let silent = try SwallowingProxy()
        defer { silent.end() }
        try await Rig.run(Self.schema) { rig in
            try await rig.onSource("INSERT INTO t VALUES (1)")
            try await rig.capture()
            try await rig.shell("transform -q \"$SPOOL\" >batches").checked("transform")
            let string = silent.string(database: "x")
            let starts = [
                ("replay --target '\(string)' --origin \"$NAME\" <batches", Int32(0)),
                ("receive --source '\(string)' --slot \"$NAME\" --dir \"$SPOOL\"", 0),
                ("clone --source \"$SOURCE\" --target '\(string)' --dir \"$FOLDER/other\"", 14),
            ]
            for (command, code) in starts {
                let program = try rig.start(
                    "exec $(command -v \(command.prefix { $0 != " " }))\(command.drop { $0 != " " })")
                try await Task.sleep(for: .seconds(1))
                try await rig.expectStop(program, code)
                try await rig.expectQuiet()
            }
        }
    }

    @Test func aTargetThatStopsAnswering() async throws {
        try await Rig.run(Self.schema) { rig in
            let proxy = try SwallowingProxy(to: rig.target.port)
            defer { proxy.end() }
            try await rig.onSource("INSERT INTO t VALUES (1)")
            try await rig.capture()
            try await rig.shell("transform -q \"$SPOOL\" >batches").checked("transform")
            let holder = try await rig.hold(rig.target, rig.targetDatabase, "LOCK TABLE t")
            let string = proxy.string(database: rig.targetDatabase)
            let replay = try rig.start("exec $(command -v replay) --target '\(string)' --origin \"$NAME\" <batches")
            try await rig.awaitWaiting(rig.target, rig.targetDatabase)
            proxy.swallow()
            try await rig.expectStop(replay, 0)
            proxy.end()
            try await rig.release(holder, rig.target, rig.targetDatabase)
            try await rig.expectQuiet()
            try await rig.apply()
            try await rig.expectEqual()
        }
    }
}
