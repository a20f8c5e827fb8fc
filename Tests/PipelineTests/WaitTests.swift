import Glibc
import TestSupport
import Testing

/// A wait for another session is named, and one for a session that is gone ends.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct WaitTests {
    private static let schema = "CREATE TABLE t (id int PRIMARY KEY)"

    private func count(_ words: String, in text: String) -> Int { text.ranges(of: words).count }

    private func holder(of rig: Rig) async throws -> String {
        try await rig.onTarget(
            """
            SELECT pid FROM pg_stat_activity WHERE application_name = 'holder' AND datname = current_database()
            """)
    }

    @Test func replayNamesWhomItWaitsFor() async throws {
        try await Rig.run(Self.schema) { rig in
            try await rig.onSource("INSERT INTO t VALUES (1)")
            try await rig.capture()
            try await rig.shell("transform -q \"$SPOOL\" >batches").checked("transform")
            let holder = try await rig.hold(rig.target, rig.targetDatabase, "LOCK TABLE t")
            let replay = try rig.start(
                "exec $(command -v replay) --target \"$TARGET\" --origin \"$NAME\" --spool \"$SPOOL\" <batches")
            let words = "process \(try await self.holder(of: rig)) of role postgres"
            try await replay.awaitLog(containing: words)
            #expect(replay.stderr.contains("waiting for 1"), "\(replay.stderr)")
            #expect(replay.stderr.contains("pg_sleep(300)"), "\(replay.stderr)")
            try await Task.sleep(for: .seconds(2))
            let status = try await rig.shell("cat \"$SPOOL\"/state/replay.json").checked("status").output
            #expect(status.contains("\"waiting_for\":\"for \(words)"), "\(status)")
            try await rig.release(holder, rig.target, rig.targetDatabase)
            try await replay.wait().checked("replay")
            #expect(count(words, in: replay.stderr) == 1, "\(replay.stderr)")
        }
    }

    @Test func aPreparedTransactionIsNamed() async throws {
        try await Rig.run(Self.schema) { rig in
            try await rig.onSource("INSERT INTO t VALUES (1)")
            try await rig.capture()
            try await rig.shell("transform -q \"$SPOOL\" >batches").checked("transform")
            let name = "held by \(rig.name)"
            try await rig.onTarget("BEGIN; LOCK TABLE t; PREPARE TRANSACTION '\(name)'")
            let replay = try rig.start(
                "exec $(command -v replay) --target \"$TARGET\" --origin \"$NAME\" --spool \"$SPOOL\" <batches")
            try await replay.awaitLog(containing: "'\(name)' of role postgres, since")
            #expect(replay.stderr.contains("which COMMIT PREPARED or ROLLBACK PREPARED ends"), "\(replay.stderr)")
            try await rig.onTarget("ROLLBACK PREPARED '\(name)'")
            try await replay.wait().checked("replay")
        }
    }

    @Test func cloneNamesWhomPgRestoreWaitsFor() async throws {
        try await Rig.run(publication: nil, createsSlot: false) { rig in
            // The index asks for a lock that another session has.
            try await rig.onSource(
                """
                CREATE FUNCTION locked(int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
                  IF pg_catalog.current_database() OPERATOR(pg_catalog.~) '^target' THEN
                    PERFORM pg_catalog.pg_advisory_xact_lock(77);
                  END IF; RETURN true; END $$;
                CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE INDEX late ON t (id) WHERE locked(id)
                """)
            let holder = try await rig.hold(rig.target, rig.targetDatabase, "SELECT pg_advisory_xact_lock(77)")
            let clone = try rig.startClone("")
            try await clone.awaitLog(
                containing: "pg_restore waits for process \(try await self.holder(of: rig)) of role postgres")
            try await rig.release(holder, rig.target, rig.targetDatabase)
            try await clone.wait().checked("clone")
        }
    }

    @Test(arguments: [false, true])
    func aSessionThatIsGoneIsNotWaitedFor(_ isReachable: Bool) async throws {
        try await Rig.run(Self.schema) { rig in
            let proxy = try SwallowingProxy(to: rig.target.port)
            defer { proxy.end() }
            try await rig.onSource("INSERT INTO t VALUES (1)")
            try await rig.capture()
            try await rig.shell("transform -q \"$SPOOL\" >batches").checked("transform")
            let holder = try await rig.hold(rig.target, rig.targetDatabase, "LOCK TABLE t")
            let string = proxy.string(database: rig.targetDatabase) + " connect_timeout=2"
            let replay = try rig.start(
                """
                exec $(command -v replay) --target '\(string)' --origin "$NAME" --silence-limit 4 --spool "$SPOOL" <batches
                """)
            try await rig.awaitWaiting(rig.target, rig.targetDatabase)
            proxy.swallow()
            if isReachable { proxy.passNewOnes() }
            _ = try await rig.onTarget(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE application_name = 'walrelay replay' AND datname = current_database()
                """)
            try await rig.release(holder, rig.target, rig.targetDatabase)
            try await replay.awaitLog(containing: "connection lost")
            if !isReachable { proxy.passNewOnes() }
            try await replay.wait().checked("replay")
            try await rig.expectEqual()
        }
    }
}
