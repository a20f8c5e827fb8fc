import Observability
import TestSupport
import Testing

/// The row that has the target's position: what a role needs for it, and who may move it.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct PositionTests {
    private static let schema = "CREATE TABLE t (id int PRIMARY KEY)"

    /// Runs `body` with the connection string of a role that has no more than the right to change rows.
    private func withRole(_ body: (Rig, String, String) async throws -> Void) async throws {
        try await Rig.run(Self.schema) { rig in
            let role = "\(rig.name)_role"
            try await rig.onTarget(
                """
                CREATE ROLE \(role) LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO \(role);
                GRANT SET ON PARAMETER session_replication_role TO \(role)
                """)
            try await body(
                rig, role, Secret.string(rig.target.connectionString(database: rig.targetDatabase, user: role)))
            try await rig.onTarget("DROP OWNED BY \(role) CASCADE; DROP ROLE \(role)")
        }
    }

    private func pipeline(_ string: String, _ options: String = "") -> String {
        """
        replay() { command replay --origin "$NAME" --target '\(string)' "$@"; }
        from=$(replay --position) && transform -q --from "$from" "$SPOOL" | replay \(options)
        """
    }

    @Test func aRoleNeedsNoMoreThanASchema() async throws {
        try await withRole { rig, role, string in
            try await rig.onSource("INSERT INTO t VALUES (1)")
            try await rig.capture()
            let refused = try await rig.shell(pipeline(string, "-q"))
            let grant = "GRANT CREATE ON DATABASE \"\(rig.targetDatabase)\" TO \"\(role)\";"
            expectRefusal(refused, .privilege, "replay", grant)
            // What an administrator may give instead.
            try await rig.onTarget("CREATE SCHEMA walrelay AUTHORIZATION \(role)")
            try await rig.shell(pipeline(string)).checked("granted")
            #expect(try await rig.onTarget("SELECT string_agg(id::text, ',') FROM t") == "1")
            let position = try await rig.shell("command replay --position --origin $NAME --target '\(string)'")
                .checked()
            #expect(
                try await rig.onTarget("SELECT position FROM walrelay.progress WHERE stream = '\(rig.name)'")
                    == position.outputLines.first)
            #expect(try await rig.onTarget("SELECT count(*) FROM pg_replication_origin") == "0")

            // The same batches again change nothing.
            try await rig.onSource("INSERT INTO t VALUES (2)")
            try await rig.capture()
            for _ in 0..<2 {
                try await rig.shell(
                    "transform -q --from \(position.outputLines[0]) \"$SPOOL\" | command replay --origin $NAME --target '\(string)'"
                )
                .checked("twice")
            }
            // Another role continues from it, and so does psql.
            try await rig.onSource("INSERT INTO t VALUES (3)")
            try await rig.catchUp()
            try await rig.onSource("INSERT INTO t VALUES (4)")
            try await rig.capture()
            try await rig.shell(
                "transform -q --from \"$(replay --position)\" \"$SPOOL\" | psql -Xq -o /dev/null -v ON_ERROR_STOP=1 '\(string)'"
            )
            .checked("psql")
            #expect(try await rig.onTarget("SELECT string_agg(id::text, ',' ORDER BY id) FROM t") == "1,2,3,4")
        }
    }

    @Test func aTableOfAnotherRoleTakesItsOwnGrants() async throws {
        try await withRole { rig, role, string in
            try await rig.onSource("INSERT INTO t VALUES (1)")
            try await rig.capture()
            // The superuser made the table, for another stream.
            try await rig.shell("transform -q \"$SPOOL\" | replay -q --origin other").checked("made")
            try await rig.onTarget("TRUNCATE t")
            let refused = try await rig.shell(
                "transform -q \"$SPOOL\" | command replay -q --origin $NAME --target '\(string)'")
            let grant =
                "GRANT USAGE ON SCHEMA walrelay TO \"\(role)\"; GRANT SELECT, INSERT, UPDATE, DELETE ON walrelay.progress TO "
                + "\"\(role)\";"
            expectRefusal(refused, .privilege, "replay", grant)
            try await rig.onTarget(grant)
            try await rig.shell(pipeline(string)).checked("granted")
            #expect(try await rig.onTarget("SELECT count(*) FROM t, walrelay.progress") == "2")
        }
    }

    @Test func aPositionThatAnotherSessionHolds() async throws {
        try await Rig.run(Self.schema) { rig in
            try await rig.onSource("INSERT INTO t VALUES (1)")
            try await rig.capture()
            let holder = try rig.start(
                """
                exec psql -Xq -d "$TARGET" -c "SELECT pg_advisory_lock(2002873458, hashtext('$NAME'))" \
                -c 'SELECT pg_sleep(60)'
                """)
            try await rig.target.awaitSQL(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = '\(rig.targetDatabase)'",
                equals: "1")
            let pid = try await rig.onTarget(
                "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()")
            let replay = "transform -q \"$SPOOL\" | replay -q"
            expectRefusal(
                try await rig.shell(replay + " --origin-wait 0"), .positionBusy, "replay",
                "pg_terminate_backend(\(pid))")
            let waiting = try rig.start(replay + " --origin-wait 30")
            try await waiting.awaitLog(containing: "waiting for the target's position")
            #expect(try await rig.onTarget("SELECT count(*) FROM t") == "0")
            holder.killGroup()
            try await rig.onTarget("SELECT pg_terminate_backend(\(pid))")
            #expect(try await waiting.wait().exitCode == 0, "\(waiting.stderr)")
            #expect(try await rig.onTarget("SELECT count(*) FROM t") == "1")
        }
    }
}
