import Glibc
import TestSupport
import Testing

/// The first signal ends a program in good order, the second at once.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct SignalTests {
    private static let schema = "CREATE TABLE t (id int PRIMARY KEY, v text)"

    @Test(arguments: [SIGINT, SIGTERM])
    func receiveStopsAndGoesOn(_ signal: Int32) async throws {
        try await Rig.run(Self.schema) { rig in
            let receiver = try rig.stage("receive", ["--dir", rig.spool])
            try await rig.onSource("INSERT INTO t VALUES (1)")
            try await rig.source.awaitSQL(
                "SELECT confirmed_flush_lsn > restart_lsn FROM pg_replication_slots WHERE slot_name = '\(rig.name)'",
                equals: "t")
            try await receiver.awaitLog(containing: "streaming from slot")
            receiver.signal(signal)
            let stopped = try await receiver.wait()
            #expect(stopped.exitCode == 0, "\(stopped)")
            let position = try #require(stopped.stderr.split(separator: " ").last).dropLast()
            let confirmed = try await rig.source.sql(
                "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '\(rig.name)'")
            #expect(confirmed == position)
            try await rig.onSource("INSERT INTO t VALUES (2)")
            try await rig.catchUp()
            try await rig.expectEqual()
        }
    }

    @Test func aStopBeforeTheEndIsNoSuccess() async throws {
        try await Rig.run(Self.schema) { rig in
            let receiver = try rig.stage("receive", ["--dir", rig.spool, "--endpos", "FFFF/0"])
            try await receiver.awaitLog(containing: "streaming from slot")
            receiver.signal(SIGINT)
            let received = try await receiver.wait()
            #expect(received.exitCode == 14, "\(received)")
            #expect(received.stderr.contains("receive: error: stopped at"))
            try await rig.capture()

            let follower = try rig.start("exec \(try Program.path(of: "transform")) --follow --to FFFF/0 \"$SPOOL\"")
            while follower.output.isEmpty { try await Task.sleep(for: .milliseconds(10)) }
            follower.signal(SIGINT)
            let followed = try await follower.wait()
            #expect(followed.exitCode == 14, "\(followed.stderr)")
            #expect(followed.stderr.contains("transform: error: "))
        }
    }

    @Test func transformAndReplayStopBetweenBatches() async throws {
        try await Rig.run(Self.schema) { rig in
            let receiver = try rig.stage("receive", ["--dir", rig.spool])
            try await rig.onSource("INSERT INTO t VALUES (1)")
            let pipeline = try Chain(rig, ["transform": "--follow \"$SPOOL\"", "replay": ""])
            try await rig.target.awaitSQL("SELECT count(*) FROM t", equals: "1", database: rig.targetDatabase)
            try await pipeline.signal("replay", SIGINT)
            try await pipeline.awaitLog(containing: "stopping:")
            try await pipeline.signal("transform", SIGINT)
            let codes = try await pipeline.end()
            #expect(codes == ["transform": 0, "replay": 0], "\(pipeline.stderr)")
            #expect(pipeline.stderr.contains("replay: stopped; the target is at \(try await rig.position())"))
            receiver.signal(SIGINT)
            #expect(try await receiver.wait().exitCode == 0)
            try await rig.awaitFreeSlot()
            try await rig.onSource("INSERT INTO t VALUES (2)")
            try await rig.catchUp()
            try await rig.expectEqual()
        }
    }

    @Test(arguments: ["receive", "transform", "replay"])
    func theSecondSignalEndsAtOnce(_ name: String) async throws {
        try await Rig.run(Self.schema) { rig in
            try await rig.onSource("INSERT INTO t SELECT g, repeat(md5(g::text), 300) FROM generate_series(1, 500) g")
            try await rig.capture()
            // Each waits for something that does not come: a reader of its output, or a lock.
            let blocker = try rig.start("psql -Xq -d \"$TARGET\" -c 'BEGIN; LOCK t; SELECT pg_sleep(60)'")
            try await rig.target.awaitSQL(
                "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 't'::regclass",
                equals: "1", database: rig.targetDatabase)
            let chain =
                switch name {
                case "receive": try Chain(rig, ["receive": "--stdout", "sleep": "100"])
                case "transform": try Chain(rig, ["transform": "\"$SPOOL\"", "sleep": "100"])
                default: try Chain(rig, ["transform": "\"$SPOOL\"", "replay": ""])
                }
            if name == "receive" {
                try await chain.awaitLog(containing: "streaming from slot")
                try await rig.onSource("INSERT INTO t SELECT g, md5(g::text) FROM generate_series(1000, 90000) g")
            }
            if name != "replay" {
                try await chain.awaitFullInput(of: "sleep")
            } else {
                try await rig.target.awaitSQL(
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = '\(rig.targetDatabase)'",
                    equals: "1")
            }
            try await chain.signal(name, SIGINT)
            try await chain.awaitLog(containing: "once more to stop at once")
            #expect(chain.isRunning)
            try await chain.signal(name, SIGINT)
            try await chain.awaitEnd(of: name)
            try await chain.signal("sleep", SIGKILL)
            let codes = try await chain.end()
            #expect(codes[name] == 130, "\(codes) \(chain.stderr)")
            blocker.killGroup()
            try await rig.onTarget(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep' "
                    + "AND datname = current_database()")
            try await rig.source.awaitSQL(
                "SELECT active FROM pg_replication_slots WHERE slot_name = '\(rig.name)'", equals: "f")
            try await rig.capture()
            try await rig.target.awaitSQL(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = '\(rig.targetDatabase)'", equals: "0")
            try await rig.apply()
            try await rig.expectEqual()
        }
    }
}
