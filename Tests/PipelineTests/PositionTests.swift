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
            try await rig.capture()
            try await rig.shell(
                "transform -q --from \"$(command replay --position --origin $NAME --target '\(string)')\" \"$SPOOL\" | "
                    + "psql -Xq -o /dev/null -v ON_ERROR_STOP=1 '\(string)'"
            )
            .checked("psql")
            // Another role, which an ordinary one could have act for it, only once the table is its own.
            let taken = try await rig.shell("replay --position")
            let advice = try #require(taken.stderr.split(separator: "as a superuser: ").last)
            expectRefusal(taken, .privilege, "replay", "belongs to the role \"\(role)\"")
            try await rig.onTarget(String(advice))
            try await rig.onSource("INSERT INTO t VALUES (4)")
            try await rig.catchUp()
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

    /// Right without a word.
    @Test func aDatabaseThatIsMadeAgainBeginsAgain() async throws {
        try await Rig.run(Self.schema) { rig in
            try await rig.onSource("INSERT INTO t VALUES (1), (2)")
            try await rig.catchUp()
            try await rig.target.dropDatabase(rig.targetDatabase)
            try await rig.target.sql("CREATE DATABASE \(rig.targetDatabase) TEMPLATE template0")
            try await rig.onTarget(Self.schema)
            #expect(try await rig.position() == "0/0")
            try await rig.apply()
            try await rig.expectEqual()
        }
    }

    /// A log is the same one wherever it is.
    @Test func aSpoolThatWasCopiedContinues() async throws {
        try await Rig.run(Self.schema) { rig in
            try await rig.onSource("INSERT INTO t VALUES (1)")
            try await rig.catchUp()
            try await rig.onSource("INSERT INTO t VALUES (2)")
            try await rig.capture()
            try await rig.shell(
                """
                cp -r "$SPOOL" elsewhere && transform --from "$(replay --position)" elsewhere | replay --spool elsewhere
                """
            ).checked("elsewhere")
            try await rig.expectEqual()
        }
    }

    @Test func aNewSpoolOfTheSlotIsAcceptedByName() async throws {
        try await Rig.run(Self.schema) { rig in
            try await rig.onSource("INSERT INTO t VALUES (1)")
            try await rig.catchUp()
            try await rig.shell("mv \"$SPOOL\" lost").checked("mv")
            try await rig.onSource("INSERT INTO t VALUES (2)")
            try await rig.capture()
            let apply = "transform -q --from \"$(replay --position)\" \"$SPOOL\" | "
            let refused = try await rig.shell(apply + "replay -q")
            expectRefusal(refused, .foreign, "replay", "--accept-log ")
            let psql = try await rig.shell(apply + "psql -Xq -o /dev/null -v ON_ERROR_STOP=1 \"$TARGET\"")
            #expect(!psql.succeeded && psql.stderr.contains("does not continue it"), "\(psql)")
            #expect(try await rig.onTarget("SELECT count(*) FROM t") == "1")
            // As advised.
            let advice = try #require(refused.stderr.firstRange(of: "--accept-log "))
            let option = refused.stderr[advice.lowerBound...].prefix { !$0.isNewline }
            try await rig.shell(apply + "replay -q \(option)").checked("accepted")
            try await rig.expectEqual()
            // From then on that log is the one.
            try await rig.onSource("INSERT INTO t VALUES (3)")
            try await rig.catchUp()
            try await rig.expectEqual()
            let old = try await rig.shell("transform -q lost | replay -q")
            expectRefusal(old, .foreign, "replay", "--accept-log ")
            let pruned = try await Program.run(
                "receive",
                ["-q", "--prune", "--dir", rig.folder.path("lost"), "--target", rig.targetString, "--origin", rig.name])
            expectRefusal(pruned, .foreign, "receive", "nothing is pruned")
        }
    }

    @Test func anotherSourceIsRefused() async throws {
        try await Rig.run(Self.schema) { rig in
            try await rig.onSource("INSERT INTO t VALUES (1)")
            try await rig.catchUp()
            try await Rig.run(Self.schema) { other in
                try await other.onSource("INSERT INTO t VALUES (2)")
                try await other.capture()
                let apply = "command transform -q --origin '\(rig.name)' \"$SPOOL\" | command "
                let refused = try await other.shell(apply + "replay -q --target '\(rig.targetString)'")
                expectRefusal(refused, .foreign, "replay", "database \"\(other.sourceDatabase)\"", "another name")
                let psql = try await other.shell(
                    apply + "psql -Xq -o /dev/null -v ON_ERROR_STOP=1 '\(rig.targetString)'")
                #expect(!psql.succeeded && psql.stderr.contains("does not continue it"), "\(psql)")
                #expect(try await rig.onTarget("SELECT string_agg(id::text, ',') FROM t") == "1")
            }
        }
    }

    /// What psql does not know how to take over, it does not touch.
    @Test func psqlLeavesAPositionOfVersion01ToReplay() async throws {
        try await Rig.run(Self.schema) { rig in
            try await rig.onSource("INSERT INTO t VALUES (1)")
            try await rig.capture()
            try await rig.onTarget("SELECT pg_replication_origin_create('\(rig.name)')")
            let psql = "transform -q \"$SPOOL\" | psql -Xq -o /dev/null -v ON_ERROR_STOP=1 \"$TARGET\""
            let refused = try await rig.shell(psql)
            #expect(!refused.succeeded && refused.stderr.contains("let replay take it over once"), "\(refused)")
            #expect(try await rig.onTarget("SELECT count(*) FROM t") == "0")
            try await rig.onTarget("SELECT pg_replication_origin_drop('\(rig.name)')")
            try await rig.onTarget(
                """
                CREATE SCHEMA walrelay; CREATE TABLE walrelay.progress (origin text PRIMARY KEY, position pg_lsn NOT NULL,
                  committed_at timestamptz, moved_at timestamptz NOT NULL DEFAULT now())
                """)
            let table = try await rig.shell(psql)
            #expect(!table.succeeded && table.stderr.contains("let replay take it over once"), "\(table)")
            try await rig.apply()
            try await rig.expectEqual()
        }
    }

    /// The position of a source that was a target itself stays there.
    @Test func theSourcesOwnPositionsAreNotReplicated() async throws {
        try await Rig.run(Self.schema) { rig in
            try await rig.onSource("INSERT INTO t VALUES (1)")
            try await rig.catchUp()
            let middle = try await rig.onTarget("SELECT position FROM walrelay.progress")
            try await rig.onSource(
                """
                CREATE SCHEMA walrelay; CREATE TABLE walrelay.progress (stream text, lane int, position pg_lsn,
                  PRIMARY KEY (stream, lane)); INSERT INTO walrelay.progress VALUES ('\(rig.name)', 0, '0/1');
                INSERT INTO t VALUES (2); UPDATE walrelay.progress SET position = '0/2'; TRUNCATE walrelay.progress
                """)
            try await rig.catchUp()
            try await rig.expectEqual()
            #expect(try await rig.onTarget("SELECT position > '\(middle)' FROM walrelay.progress") == "t")
        }
    }
}
