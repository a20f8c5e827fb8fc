import Failpoints
import Glibc
import TestSupport
import Testing

/// `transform --lanes` into `replay --jobs`: several connections, and what a crash between their commits leaves.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct LaneTests {
    private static let schema = """
        CREATE TABLE t (id int PRIMARY KEY, code text UNIQUE, note text);
        CREATE TABLE ledger (account int, amount int);
        ALTER TABLE ledger REPLICA IDENTITY FULL;
        CREATE TABLE history (at int, note text)
        """

    private static func apply(_ replay: String = "", lanes: Int = 2) -> String {
        "transform --lanes \(lanes) --from \"$(replay --position)\" \"$SPOOL\" | "
            + "replay --jobs \(lanes) --jobs-min-changes 1 --spool \"$SPOOL\" \(replay)"
    }

    /// Rows of all tables, in a first range that one connection applies and a second one for the lanes.
    private func prepare(_ rig: Rig) async throws {
        try await rig.onSource("INSERT INTO t SELECT g, 'c' || g, 'n' FROM generate_series(1, 100) g")
        try await rig.catchUp()
        try await rig.onSource(
            """
            BEGIN;
            UPDATE t SET note = 'changed ' || id WHERE id <= 40;
            DELETE FROM t WHERE id > 80;
            INSERT INTO t SELECT g, 'c' || g, 'new' FROM generate_series(101, 150) g;
            INSERT INTO ledger SELECT g % 3, 1 FROM generate_series(1, 90) g;
            INSERT INTO history SELECT g, 'h' FROM generate_series(1, 90) g;
            DELETE FROM ledger WHERE ctid IN (SELECT ctid FROM ledger WHERE account = 1 LIMIT 7);
            COMMIT
            """)
        try await rig.capture()
    }

    /// The lanes that have rows, the stream's own among them.
    private func rows(_ rig: Rig) async throws -> String {
        try await rig.onTarget(
            "SELECT string_agg(lane::text, ' ' ORDER BY lane) FROM walrelay.progress WHERE stream = '\(rig.name)'")
    }

    @Test(arguments: try await PostgresInstallation.targetMajors())
    func severalConnectionsApplyABatch(_ targetMajor: Int) async throws {
        try await Rig.run(Self.schema, targetMajor: targetMajor) { rig in
            try await prepare(rig)
            let applied = try await rig.shell(Self.apply(lanes: 3))
            try applied.checked("transform | replay")
            #expect(applied.stderr.contains("; 1 on several connections"), "\(applied.stderr)")
            try await rig.expectEqual()
            #expect(try await rows(rig) == "0", "the lanes' rows are gone")
        }
    }

    @Test(arguments: [Failpoint.duringLaneCommits, .betweenLaneCommits], ["", "beside its own order"])
    func aReplayKilledBetweenItsCommitsIsFinishedFromTheLog(_ point: Failpoint, _ then: String) async throws {
        try await Rig.run(Self.schema) { rig in
            try await prepare(rig)
            let before = try await rig.position()
            let killed = try await rig.shell(
                "export WALRELAY_FAILPOINT=\(point.rawValue); " + Self.apply(lanes: 3))
            #expect(killed.exitCode == 128 + SIGKILL, "\(killed)")
            #expect(try await rig.position() == before)
            if point == .betweenLaneCommits {
                // Whoever does not know of the lanes is refused.
                let alone = try await rig.shell("transform --from \(before) \"$SPOOL\" | replay")
                #expect(alone.exitCode == 15 && alone.stderr.contains("--spool"), "\(alone)")
                let psql = try await rig.shell(
                    "transform --from \(before) \"$SPOOL\" | psql -Xq -o /dev/null -v ON_ERROR_STOP=1 \"$TARGET\"")
                #expect(!psql.succeeded && psql.stderr.contains("let replay --spool finish it"), "\(psql)")
            }
            if !then.isEmpty {
                // What comes later may already be in the next batch.
                try await rig.onSource(
                    "UPDATE t SET note = 'later' WHERE id < 10; DELETE FROM ledger WHERE account = 2")
                try await rig.capture()
            }
            // Once more in the middle of that.
            if point == .betweenLaneCommits {
                let again = try await rig.shell(
                    "export WALRELAY_FAILPOINT=\(Failpoint.beforeLevelCommit.rawValue); " + Self.apply(lanes: 3))
                #expect(again.exitCode == 128 + SIGKILL, "\(again)")
            }
            let last = try await rig.shell(Self.apply(lanes: then.isEmpty ? 3 : 2))
            try last.checked("transform | replay")
            // Before the first of their commits there is nothing to finish.
            let words = ["the last replay was cut off between its connections", "; 1 on several connections"]
            let possible = point == .betweenLaneCommits ? Array(words.prefix(1)) : words
            #expect(possible.contains { last.stderr.contains($0) }, "\(last.stderr)")
            try await rig.expectEqual()
            #expect(try await rows(rig) == "0")
        }
    }

    @Test(arguments: try await PostgresInstallation.targetMajors())
    func theFirstBatchOfAllIsFinishedToo(_ targetMajor: Int) async throws {
        try await Rig.run(Self.schema, targetMajor: targetMajor) { rig in
            try await rig.onSource("INSERT INTO t SELECT g, 'c' || g, 'n' FROM generate_series(1, 100) g")
            try await rig.capture()
            let killed = try await rig.shell(
                "export WALRELAY_FAILPOINT=\(Failpoint.betweenLaneCommits.rawValue); " + Self.apply(lanes: 3))
            #expect(killed.exitCode == 128 + SIGKILL, "\(killed)")
            #expect(try await rig.onTarget("SELECT count(*) BETWEEN 1 AND 99 FROM t") == "t")
            let last = try await rig.shell(Self.apply(lanes: 3)).checked("transform | replay")
            #expect(last.stderr.contains("the last replay was cut off between its connections"), "\(last.stderr)")
            try await rig.expectEqual()
        }
    }

    @Test func lanesThatWaitForOneAnotherGiveWayToOneConnection() async throws {
        try await Rig.run(Self.schema) { rig in
            try await prepare(rig)
            // Each code moves on to the next row.
            try await rig.onSource(
                "BEGIN; UPDATE t SET code = 'x' || id WHERE id < 30; UPDATE t SET code = 'c' || (id + 1) WHERE id < 29;"
                    + " COMMIT; TRUNCATE history; INSERT INTO history VALUES (1, 'x')")
            try await rig.capture()
            let applied = try await rig.shell(Self.apply())
            try applied.checked("transform | replay")
            #expect(!applied.stderr.contains("on several connections"), "\(applied.stderr)")
            try await rig.expectEqual()
        }
    }

    @Test func theFirstBatchOfAllIsTheLanesToo() async throws {
        try await Rig.run(Self.schema) { rig in
            try await rig.onSource("INSERT INTO t SELECT g, 'c' || g, 'n' FROM generate_series(1, 100) g")
            try await rig.capture()
            // Also the first batch of all is the lanes'.
            let applied = try await rig.shell(Self.apply())
            try applied.checked("transform | replay")
            #expect(applied.stderr.contains("; 1 on several connections"), "\(applied.stderr)")
            try await rig.expectEqual()
            #expect(try await rows(rig) == "0")
        }
    }

    @Test func otherNumbersOfLanesAreRefused() async throws {
        try await Rig.run(Self.schema) { rig in
            try await prepare(rig)
            let refused = try await rig.shell(
                "transform --from \"$(replay --position)\" \"$SPOOL\" | replay --jobs 2 --spool \"$SPOOL\"")
            #expect(refused.exitCode == 13 && refused.stderr.contains("transform --lanes 2"), "\(refused)")
            let without = try await rig.shell("replay --jobs 2 </dev/null")
            #expect(without.exitCode == 2 && without.stderr.contains("--spool"), "\(without)")
            // One connection takes any number.
            try await rig.shell("transform --lanes 4 --from \"$(replay --position)\" \"$SPOOL\" | replay").checked()
            try await rig.expectEqual()
        }
    }

    @Test func aLostConnectionOfALaneLosesNothing() async throws {
        try await Rig.run(Self.schema) { rig in
            try await prepare(rig)
            let lane = "pid <> pg_backend_pid() AND datname = current_database() AND application_name ~ 'replay'"
            let running = try rig.start(
                "(transform --lanes 2 --from \"$(replay --position)\" \"$SPOOL\" | head -c 1000; until [ -e go ]; do sleep 0.05; done; "
                    + "transform --lanes 2 --from \"$(replay --position)\" \"$SPOOL\" | tail -c +1001) | "
                    + "replay --jobs 2 --jobs-min-changes 1 --spool \"$SPOOL\"")
            try await running.awaitLog(containing: "connected to the target")
            #expect(try await rig.onTarget("SELECT count(*) FROM pg_stat_activity WHERE \(lane)") == "2")
            try await rig.onTarget(
                "SELECT pg_terminate_backend(max(pid)) FROM pg_stat_activity WHERE \(lane)")
            try rig.folder.write("go", "")
            let ended = try await running.wait().checked("replay")
            #expect(ended.stderr.contains("connected again 1 time"), "\(ended.stderr)")
            try await rig.expectEqual()
        }
    }
}
