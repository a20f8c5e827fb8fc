import Glibc
import Observability
import TestSupport
import Testing

/// `clone adopt`: a target that something else has filled.
@Suite(.serialized, .timeLimit(.minutes(10)))
struct AdoptTests {
    private static let majors = OtherServers.majors.sorted()
    private static let newest = majors.last ?? 0

    /// A physical copy that stops replaying exactly at a position of the source, which goes on.
    private static func stopReplaying(_ standby: Cluster, _ rig: Rig) async throws -> String {
        try await standby.sql("SELECT pg_wal_replay_pause()", database: "postgres")
        try await rig.onSource("INSERT INTO parent SELECT generate_series(100, 150)")
        let position = try await rig.onSource("SELECT pg_current_wal_insert_lsn()")
        for setting in [
            "recovery_target_lsn = '\(position)'", "recovery_target_inclusive = off",
            "recovery_target_action = promote",
        ] {
            try await standby.sql("ALTER SYSTEM SET \(setting)", database: "postgres")
        }
        try await rig.onSource("INSERT INTO parent SELECT generate_series(200, 250)")
        try await standby.restart()
        try await standby.awaitSQL("SELECT pg_is_in_recovery()", equals: "f")
        #expect(
            try await standby.sql("SELECT max(id) FROM ONLY parent", database: rig.sourceDatabase) == "150")
        return position
    }

    @Test(.enabled(if: newest > 15, "\(OtherServers.reason)"))
    func aPhysicalCopyThatWasUpgraded() async throws {
        let installation = try await PostgresInstallation.of(.source)
        let primary = try await Cluster.start(name: "to adopt from", installation: installation)
        let new = try await Cluster.start(
            name: "adopted", installation: try await OtherServers.installation(Self.newest))
        try await Rig.run(source: primary, publication: nil, createsSlot: false) { rig in
            try await Load.prepare(rig)
            try await rig.onSource("CREATE TABLE parent (id int PRIMARY KEY)")
            try await rig.receive("--create-slot").checked("receive")
            let load = try Load.startThatComesBack(rig, seed: 5)
            try await rig.source.awaitSQL(
                "SELECT count(*) > 20 FROM pgbench_history", equals: "t", database: rig.sourceDatabase)
            let standby = try await primary.startStandby(name: "physical copy")
            let position = try await Self.stopReplaying(standby, rig)
            // The log keeps the changes meanwhile.
            try await rig.capture()
            try await rig.upgrade(standby, to: new)
            let target = "export TARGET='\(new.connectionString(database: rig.sourceDatabase))'; "
            let adopt = "adopt --at \(position)"
            let dry = try await rig.shell(target + rig.cloneCommand(adopt + " --dry-run")).checked("adopt")
            #expect(dry.output.contains("could be adopted now"), "\(dry)")
            // Killed before it was done, it is done again.
            let killed = try await rig.shell(
                target + "export WALRELAY_FAILPOINT=after-placing; " + rig.cloneCommand(adopt))
            #expect(killed.signal == SIGKILL, "\(killed)")
            try await rig.shell(target + rig.cloneCommand(adopt)).checked("adopt")
            let twice = try await rig.shell(target + rig.cloneCommand(adopt))
            #expect(twice.exitCode == ExitStatus.usage.rawValue && twice.stderr.contains("clone --follow"), "\(twice)")
            let dropping = try await rig.shell(target + rig.cloneCommand("--follow --restart"))
            #expect(dropping.exitCode == ExitStatus.usage.rawValue, "\(dropping)")
            let follower = try rig.start(target + rig.cloneCommand("--follow"))
            try await rig.shell("clone wait --for caught-up --dir \"$SPOOL\"").checked("wait")
            load.signal(SIGTERM)
            _ = try await load.wait()
            try await rig.shell(target + rig.cloneCommand("compare data"), timeout: .seconds(120)).checked("compare")
            try await rig.shell(target + rig.cloneCommand("switchover --fence --compare"), timeout: .seconds(120))
                .checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            let differences = try await DatabaseComparison.differences(
                source: (rig.source, rig.sourceDatabase), target: (new, rig.sourceDatabase))
            #expect(differences == [])
            try await rig.shell(target + rig.cloneCommand("cleanup")).checked("cleanup")
            try await standby.remove()
        }
        try await new.remove()
        try await primary.remove()
    }

    /// A dump of the slot's own snapshot, as pg_dump makes one by hand.
    @Test func aDumpOfTheSlotsSnapshot() async throws {
        try await Rig.runClone { rig in
            try await rig.receive("--create-slot").checked("receive")
            let start = try await rig.source.sql(
                "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '\(rig.name)'",
                database: rig.sourceDatabase)
            try await rig.copyByDump()
            try await rig.onSource(Rig.wholeChanges)
            // Changes that the slot does not have any more are missing.
            let early = try await rig.shell(rig.cloneCommand("adopt --at 0/100"))
            #expect(early.exitCode == ExitStatus.gap.rawValue, "\(early)")
            let late = try await rig.shell(rig.cloneCommand("adopt --at FFFFFFFF/0"))
            #expect(late.exitCode == ExitStatus.usage.rawValue, "\(late)")
            let itself = try await rig.shell("export TARGET=\"$SOURCE\"; " + rig.cloneCommand("adopt --at \(start)"))
            #expect(
                itself.exitCode == ExitStatus.usage.rawValue && itself.stderr.contains("same database"), "\(itself)")
            try await rig.onTarget("ALTER TABLE parent ADD COLUMN extra int")
            let drifted = try await rig.shell(rig.cloneCommand("adopt --at \(start)"))
            #expect(drifted.exitCode == ExitStatus.drift.rawValue, "\(drifted)")
            try await rig.onTarget("ALTER TABLE parent DROP COLUMN extra")
            try await rig.shell(rig.cloneCommand("adopt --at \(start)")).checked("adopt")
            let follower = try await rig.startFollower()
            try await rig.shell(rig.cloneCommand("switchover --fence --compare")).checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            #expect(try await rig.differences() == [])
        }
    }
}
