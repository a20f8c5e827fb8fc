import Glibc
import TestSupport
import Testing

/// Batches that are rolled back in their middle, by whatever ends them: the same command again applies all of it, once.
///
/// From PostgreSQL 16 on an abort leaves other traces than before, so each is tried on several versions.
@Suite(.serialized, .timeLimit(.minutes(10)))
struct AbortTests {
    private static let schema = "CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE); CREATE TABLE ledger (v int)"
    private static let changes = 10_000
    private static let replay = "replay --spool \"$SPOOL\""
    private static let lanes = "replay --spool \"$SPOOL\" --jobs 3 --jobs-min-changes 1"
    private static let psql = "psql -Xq -o /dev/null -v ON_ERROR_STOP=1 \"$TARGET\""

    /// What ends a batch.
    enum Blow: String, CaseIterable {
        case killOfReplay, killWithLanes, killOfPsql, terminatedBackend, cancelledStatement, restartedServer
    }

    private func command(_ apply: String) -> String {
        let lanes = apply.contains("--jobs") ? "--lanes 3" : ""
        return "transform -q \(lanes) --from \"$(replay --position)\" \"$SPOOL\" | \(apply)"
    }

    /// A first batch that arrives, and a second that waits in its middle for a row that another session holds.
    private func withHeldBatch(_ rig: Rig, _ apply: String, _ body: (RunningProgram, Int32) async throws -> Void)
        async throws
    {
        try await rig.onSource("INSERT INTO t VALUES (0, 0)")
        try await rig.catchUp()
        try await rig.onSource(
            """
            BEGIN; INSERT INTO t SELECT g, g FROM generate_series(1, \(Self.changes)) g;
            INSERT INTO ledger SELECT g % 10 FROM generate_series(1, 100) g; COMMIT
            """)
        try await rig.capture()
        let holder = try rig.start(
            """
            exec psql -Xq -d "$TARGET" -c "SET application_name = 'holder'" -c BEGIN \
            -c 'INSERT INTO t VALUES (\(Self.changes / 2), -1)' -c 'SELECT pg_sleep(300)'
            """)
        let holding = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND \(Self.here)"
        try await rig.target.awaitSQL(holding, equals: "1", database: rig.targetDatabase)
        let running = try rig.start(command(apply))
        let waiting = "SELECT max(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND \(Self.here)"
        try await rig.target.awaitSQL(
            "SELECT (\(waiting)) IS NOT NULL", equals: "t", database: rig.targetDatabase)
        let backend = try #require(Int32(try await rig.onTarget(waiting)))
        try await body(running, backend)
        holder.killGroup()
        _ = try? await rig.onTarget(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holder' AND \(Self.here)")
        _ = try await running.wait()
    }

    private static let here = "datname = current_database() AND pid <> pg_backend_pid()"

    private func expectAll(_ rig: Rig, _ apply: String) async throws {
        let again = try await rig.shell(command(apply))
        try again.checked("the same command again")
        #expect(try await rig.onTarget("SELECT count(*) FROM t") == "\(Self.changes + 1)")
        #expect(try await rig.onTarget("SELECT count(*) FROM ledger") == "100")
        try await rig.expectEqual()
    }

    @Test(arguments: Blow.allCases, try await PostgresInstallation.targetMajors())
    func anInterruptedBatchComesAgain(_ blow: Blow, _ major: Int) async throws {
        let own =
            blow == .restartedServer
            ? try await Cluster.start(name: "restarted", installation: PostgresInstallation.of(major: major)) : nil
        let apply =
            switch blow {
            case .killWithLanes: Self.lanes
            case .killOfPsql: Self.psql
            default: Self.replay
            }
        try await Rig.run(Self.schema, target: own, targetMajor: own == nil ? major : nil) { rig in
            try await withHeldBatch(rig, apply) { running, backend in
                switch blow {
                case .killOfReplay, .killWithLanes, .killOfPsql: running.killGroup()
                case .terminatedBackend: try await rig.onTarget("SELECT pg_terminate_backend(\(backend))")
                case .cancelledStatement: try await rig.onTarget("SELECT pg_cancel_backend(\(backend))")
                case .restartedServer: try await rig.target.restart(mode: .fast)
                }
            }
            try await expectAll(rig, apply)
        }
        try await own?.remove()
    }

    @Test(arguments: [Self.replay, Self.psql], try await PostgresInstallation.targetMajors())
    func anInputThatIsCutOffComesAgain(_ apply: String, _ major: Int) async throws {
        try await Rig.run(Self.schema, targetMajor: major) { rig in
            try await rig.onSource("INSERT INTO t SELECT g, g FROM generate_series(0, \(Self.changes)) g")
            try await rig.onSource("INSERT INTO ledger SELECT 1 FROM generate_series(1, 100)")
            try await rig.capture()
            let cut = try await rig.shell("transform -q \"$SPOOL\" | head -c 60000 | \(apply)")
            #expect(apply == Self.psql || cut.exitCode == 14, "\(cut)")
            #expect(try await rig.onTarget("SELECT count(*) FROM t") == "0")
            try await expectAll(rig, apply)
        }
    }

    @Test(arguments: [Self.replay, "replay", Self.lanes, Self.psql], try await PostgresInstallation.targetMajors())
    func aRefusedBatchComesAgain(_ apply: String, _ major: Int) async throws {
        try await Rig.run(Self.schema, targetMajor: major) { rig in
            try await rig.onTarget("ALTER TABLE t ADD CONSTRAINT small CHECK (id <> \(Self.changes / 2))")
            try await rig.onSource("INSERT INTO t SELECT g, g FROM generate_series(0, \(Self.changes)) g")
            try await rig.onSource("INSERT INTO ledger SELECT 1 FROM generate_series(1, 100)")
            try await rig.capture()
            for _ in 0..<2 {
                let refused = try await rig.shell(command(apply))
                #expect(!refused.succeeded, "\(refused)")
                #expect(apply == Self.psql || refused.exitCode == 16, "\(refused)")
                #expect(try await rig.onTarget("SELECT count(*) FROM t") == "0")
            }
            try await rig.onTarget("ALTER TABLE t DROP CONSTRAINT small")
            try await expectAll(rig, apply)
        }
    }

    @Test(arguments: [Self.replay, "replay", Self.lanes, Self.psql], try await PostgresInstallation.targetMajors())
    func aCommitThatFailsComesAgain(_ apply: String, _ major: Int) async throws {
        try await Rig.run(Self.schema, targetMajor: major) { rig in
            // Deferred to the commit, and fires whatever the session's role is.
            try await rig.onTarget(
                """
                CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
                CREATE CONSTRAINT TRIGGER late AFTER INSERT ON ledger DEFERRABLE INITIALLY DEFERRED
                  FOR EACH ROW EXECUTE FUNCTION refuse();
                ALTER TABLE ledger ENABLE ALWAYS TRIGGER late
                """)
            try await rig.onSource(
                """
                BEGIN; INSERT INTO t SELECT g, g FROM generate_series(0, \(Self.changes)) g;
                INSERT INTO ledger SELECT 1 FROM generate_series(1, 100); COMMIT
                """)
            try await rig.capture()
            let refused = try await rig.shell(command(apply))
            #expect(!refused.succeeded, "\(refused)")
            #expect(try await rig.onTarget("SELECT count(*) FROM t") == "0")
            try await rig.onTarget("DROP TRIGGER late ON ledger")
            try await expectAll(rig, apply)
        }
    }

    @Test(arguments: ["replay", Self.psql, Self.replay], try await PostgresInstallation.targetMajors())
    func netChangesThatCollideComeAgain(_ apply: String, _ major: Int) async throws {
        try await Rig.run(Self.schema, targetMajor: major) { rig in
            try await rig.onSource("INSERT INTO t SELECT g, g FROM generate_series(1, 100) g")
            try await rig.catchUp()
            // From the top down, which is right for the source, and not for the net changes.
            let moves = (1...100).reversed().map { "UPDATE t SET u = u + 1 WHERE id = \($0);" }.joined(separator: "\n")
            try await rig.onSource("BEGIN; \(moves) COMMIT")
            try await rig.capture()
            let first = try await rig.shell(command(apply))
            #expect(first.succeeded == (apply == Self.replay), "\(first)")
            if !first.succeeded {
                // As it advises.
                try await rig.shell(command("cat").replacing("transform", with: "transform --ordered") + " | \(apply)")
                    .checked("in the source's order")
            }
            #expect(try await rig.onTarget("SELECT min(u) || ' ' || max(u) FROM t") == "2 101")
            try await rig.expectEqual()
        }
    }
}
