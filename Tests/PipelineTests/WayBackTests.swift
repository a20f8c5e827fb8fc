import Glibc
import Observability
import TestSupport
import Testing

/// `clone switchover --keep-way-back` and `clone switchback`: applications go to the new server, return, and go again.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct WayBackTests {
    /// What an application writes, on whichever side it is.
    private static func work(_ round: Int) -> String {
        """
        INSERT INTO shop.people (name, n) SELECT 'round \(round) ' || i, i FROM generate_series(1, 40) i;
        UPDATE shop.people SET mood = 'sad', n = n + 1 WHERE id % 5 = 0;
        DELETE FROM m WHERE id = \(round);
        INSERT INTO m VALUES (\(1000 + round), '2023-12-0\(round)', 'round \(round)');
        UPDATE "odd "" schema"."t a,b" SET "e,f" = 'round \(round)' WHERE "c ""d" = 2;
        INSERT INTO unlogged VALUES (\(round)); SELECT nextval('loose');
        """
    }

    private static func isReadOnly(_ side: Cluster, _ database: String) async throws -> Bool {
        try await side.sql("SHOW default_transaction_read_only", database: database) == "on"
    }

    /// The application can write to one side, and not to the other.
    private static func expectWritable(_ rig: Rig, source: Bool, _ location: SourceLocation = #_sourceLocation)
        async throws
    {
        #expect(try await isReadOnly(rig.source, rig.sourceDatabase) != source, sourceLocation: location)
        #expect(try await isReadOnly(rig.target, rig.targetDatabase) == source, sourceLocation: location)
    }

    /// Nothing of any direction is left on either side.
    private static func expectNothingLeft(_ rig: Rig) async throws {
        for (side, database) in [(rig.source, rig.sourceDatabase), (rig.target, rig.targetDatabase)] {
            let left = try await side.sql(
                """
                SELECT slot_name FROM pg_replication_slots WHERE database = '\(database)'
                 UNION ALL SELECT pubname FROM pg_publication UNION ALL SELECT nspname FROM pg_namespace
                 WHERE nspname = 'walrelay'
                """, database: database)
            #expect(left == "", "\(database)")
        }
    }

    @Test(arguments: try await PostgresInstallation.targetMajors().prefix(1))
    func applicationsGoAndReturn(_ targetMajor: Int) async throws {
        try await Rig.runClone(targetMajor: targetMajor) { rig in
            let checked = try await rig.shell(rig.cloneCommand("check --keep-way-back --all"))
            #expect(checked.succeeded && checked.output.contains("way back: wal_level"), "\(checked)")
            let follower = try await rig.startFollower()
            try await rig.onSource(Self.work(1))
            for (round, command) in ["switchover", "switchback", "switchover", "switchback"].enumerated() {
                let goesForth = command == "switchover"
                let wrong = try await rig.shell(rig.cloneCommand(goesForth ? "switchback" : "switchover"))
                #expect(wrong.exitCode == ExitStatus.conflict.rawValue, "\(wrong)")
                let dry = try await rig.shell(
                    rig.cloneCommand("\(command) --fence --dry-run" + (goesForth ? " --keep-way-back" : "")))
                #expect(dry.succeeded && dry.output.contains("make slot and publications for the way back"), "\(dry)")
                let done = try await rig.shell(
                    rig.cloneCommand("\(command) --fence" + (goesForth ? " --keep-way-back" : ""))
                ).checked(command)
                #expect(done.output.contains("applies what the application writes now"), "\(done)")
                try await Self.expectWritable(rig, source: !goesForth)
                try await rig.expectCloned()
                // The slot of the direction before keeps no WAL.
                let before = goesForth ? rig.source : rig.target
                try await before.awaitSQL(
                    "SELECT count(*) FROM pg_replication_slots WHERE database IN ('\(rig.sourceDatabase)', '\(rig.targetDatabase)')"
                        + (rig.source.port == rig.target.port ? " AND false" : ""), equals: "0")
                if goesForth {
                    try await rig.onTarget(Self.work(round + 2))
                } else {
                    try await rig.onSource(Self.work(round + 2))
                }
                #expect(follower.isRunning, "\(follower.stderr)")
                let status = try await rig.shell("clone status --dir \"$SPOOL\"").checked("status")
                #expect(status.output.contains(goesForth ? "the way back" : "forth again"), "\(status)")
                #expect(
                    status.output.contains(goesForth ? "to \"\(rig.sourceDatabase)\"" : "to \"\(rig.targetDatabase)\""))
                try await rig.shell("clone wait --for caught-up --dir \"$SPOOL\"").checked("wait")
            }
            let status = try await rig.shell("clone status --dir \"$SPOOL\"").checked("status")
            #expect(status.output.contains("\"\(rig.sourceDatabase)\" to \"\(rig.targetDatabase)\""), "\(status)")
            follower.signal(SIGTERM)
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
            try await Self.expectNothingLeft(rig)
        }
    }

    private static let steps = [
        "after-request", "before-way-back", "after-way-back-slot", "after-take-over", "after-fence", "after-drain",
        "after-rest", "after-way-back", "before-switch-done",
    ]

    /// Kills or interrupts a switchover at each of its steps: applications can write where they did before, and there alone.
    private static func expectUndone(
        _ rig: Rig, _ follower: RunningProgram, _ command: String, isBack: Bool
    ) async throws {
        let source = isBack ? (rig.target, rig.targetDatabase) : (rig.source, rig.sourceDatabase)
        let target = isBack ? (rig.source, rig.sourceDatabase) : (rig.target, rig.targetDatabase)
        // In either direction every other step, and the last ones; a campaign tries all in both.
        for (index, point) in steps.enumerated() {
            guard Campaign.isRunning || index.isMultiple(of: 2) == isBack || index >= 7 else { continue }
            let signals = Campaign.isRunning ? [SIGKILL, SIGINT] : [(index / 2).isMultiple(of: 2) ? SIGKILL : SIGINT]
            // Near the end, a request may come too late to be heard.
            for signal in index >= 7 ? [SIGKILL] : signals {
                let switchover = try rig.start(
                    "export WALRELAY_FAILPOINT=\(point):1:stop; " + rig.cloneCommand(command))
                try await switchover.awaitStop()
                switchover.signal(signal)
                switchover.signal(SIGCONT)
                let ended = try await switchover.wait()
                if signal == SIGINT {
                    #expect(ended.exitCode == ExitStatus.incomplete.rawValue, "\(point): \(ended)")
                }
                try await source.0.awaitSQL(
                    """
                    SELECT count(*) FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase
                     WHERE datname = '\(source.1)' AND 'default_transaction_read_only=on' = ANY (setconfig)
                    """, equals: "0")
                try await target.0.awaitSQL(
                    "SELECT count(*) FROM pg_replication_slots WHERE database = '\(target.1)'", equals: "0")
                #expect(try await isReadOnly(target.0, target.1) == isBack, "\(point): \(ended)")
                let id = (isBack ? 2000 : 1000) + index * 10 + Int(signal)
                try await source.0.sql("INSERT INTO parent VALUES (\(id))", database: source.1)
                try await target.0.awaitSQL(
                    "SELECT count(*) FROM parent WHERE id = \(id)", equals: "1", database: target.1)
                #expect(follower.isRunning, "\(point): \(follower.stderr)")
            }
        }
    }

    @Test func oneThatIsKilledOrInterruptedIsUndone() async throws {
        try await Rig.runClone { rig in
            let follower = try await rig.startFollower()
            try await Self.expectUndone(rig, follower, "switchover --fence --keep-way-back", isBack: false)
            try await rig.shell(rig.cloneCommand("switchover --fence --keep-way-back")).checked("switchover")
            try await Self.expectUndone(rig, follower, "switchback --fence", isBack: true)
            try await rig.shell(rig.cloneCommand("switchback --fence --compare --last")).checked("switchback")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            try await Self.expectWritable(rig, source: true)
            try await rig.expectCloned()
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
            try await Self.expectNothingLeft(rig)
        }
    }

    /// A switchback that is made and killed before the old server is free is finished, by whoever comes: until then, no side can
    /// be written to.
    @Test(arguments: ["follower", "nobody", "last"]) func oneThatIsKilledBeforeTheOldServerIsFree(_ who: String)
        async throws
    {
        try await Rig.runClone { rig in
            let follower = try await rig.startFollower()
            try await rig.shell(rig.cloneCommand("switchover --fence --keep-way-back")).checked("switchover")
            try await follower.awaitLog(containing: "resuming: the copy of")
            if who == "nobody" {
                follower.kill()
                _ = try await follower.wait()
            }
            let command = rig.cloneCommand("switchback --fence" + (who == "last" ? " --last" : ""))
            let switchback = try rig.start("export WALRELAY_FAILPOINT=before-freeing:1:stop; " + command)
            try await switchback.awaitStop()
            #expect(try await Self.isReadOnly(rig.source, rig.sourceDatabase))
            #expect(try await Self.isReadOnly(rig.target, rig.targetDatabase))
            switchback.kill()
            _ = try await switchback.wait()
            if who == "last" {
                let status = try await rig.shell("clone status --dir \"$SPOOL\"").checked("status")
                #expect(status.output.contains("still read-only: run the same clone switchback again"), "\(status)")
            }
            if who != "follower" { try await rig.shell(command).checked("switchback") }
            try await rig.source.awaitSQL(
                "SHOW default_transaction_read_only", equals: "off", database: rig.sourceDatabase)
            try await Self.expectWritable(rig, source: true)
            try await rig.expectCloned()
            if who != "nobody" { follower.signal(SIGTERM) }
            _ = try await follower.wait()
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
            try await Self.expectNothingLeft(rig)
        }
    }

    /// What a switchover with a way back has left that was killed, one without does not take for its own.
    @Test func aWayBackThatWasNotMadeIsNoneLater() async throws {
        try await Rig.runClone { rig in
            let follower = try await rig.startFollower()
            follower.kill()
            _ = try await follower.wait()
            let killed = try await rig.shell(
                "export WALRELAY_FAILPOINT=after-way-back; " + rig.cloneCommand("switchover --fence --keep-way-back"))
            #expect(killed.signal == SIGKILL, "\(killed)")
            try await rig.shell(rig.cloneCommand("switchover --fence")).checked("switchover")
            let refused = try await rig.shell(rig.cloneCommand("--follow"))
            #expect(refused.exitCode == ExitStatus.usage.rawValue, "\(refused)")
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
            try await Self.expectNothingLeft(rig)
        }
    }

    /// Where no clone follows, the switchover follows by itself; what comes then goes on with the next one.
    @Test func withoutAFollower() async throws {
        try await Rig.runClone { rig in
            let follower = try await rig.startFollower()
            follower.kill()
            _ = try await follower.wait()
            try await rig.onSource(Self.work(1))
            try await rig.shell(rig.cloneCommand("switchover --fence --keep-way-back")).checked("switchover")
            try await rig.onTarget(Self.work(2))
            // What would drop the database that applications return to is refused.
            let restart = try await rig.shell(rig.cloneCommand("--follow --restart"))
            #expect(restart.exitCode == ExitStatus.usage.rawValue, "\(restart)")
            let second = try await rig.startFollower()
            try await rig.shell("clone wait --for caught-up --dir \"$SPOOL\"").checked("wait")
            second.kill()
            _ = try await second.wait()
            try await rig.shell(rig.cloneCommand("switchback --fence --compare")).checked("switchback")
            try await Self.expectWritable(rig, source: true)
            try await rig.expectCloned()
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
            try await Self.expectNothingLeft(rig)
        }
    }
}
