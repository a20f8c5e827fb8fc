import Glibc
import Observability
import TestSupport
import Testing

/// A journal that is not true any more: the target itself says what may be changed in it.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CloneMarkTests {
    private static let schema = """
        CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 1000) g;
        CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u SELECT generate_series(1, 1000);
        """
    private static let rows = "SELECT count(*), max(v) FROM t"

    /// What the applications wrote since is there, whatever an old journal says.
    private func expectRefused(_ rig: Rig, _ arguments: String, knows: String) async throws {
        let finished = try await rig.clone(arguments)
        #expect(finished.exitCode == ExitStatus.foreign.rawValue, "\(finished)")
        #expect(finished.stderr.contains(knows), "\(finished)")
        #expect(try await rig.onTarget(Self.rows) == "1001|written since")
    }

    @Test func anOldJournalDropsNothing() async throws {
        try await Rig.runClone { rig in
            try await rig.onSource(Self.schema)
            let killed = try await rig.clone("--follow --table-jobs 1", failpoint: "after-table:1")
            #expect(killed.signal == SIGKILL, "\(killed)")
            #expect(try await rig.onTarget("SELECT state FROM walrelay.migration") == "copying")
            try await rig.shell("cp -a \"$SPOOL\" copying").checked("cp")
            let follower = try await rig.startFollower()
            try await rig.shell("clone wait --for caught-up --dir \"$SPOOL\"").checked("wait")
            #expect(try await rig.onTarget("SELECT state FROM walrelay.migration") == "following")
            try await rig.shell("mkdir following && cp -a \"$SPOOL/state/clone.json\" following").checked("cp")
            try await rig.shell(rig.cloneCommand("switchover")).checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            #expect(try await rig.onTarget("SELECT state FROM walrelay.migration") == "switched")
            try await rig.onTarget("INSERT INTO t VALUES (5000, 'written since')")

            try await rig.shell("cp -a following/clone.json \"$SPOOL/state/clone.json\"").checked("cp")
            try await expectRefused(rig, "--follow --restart", knows: "this migration is switched")
            try await rig.shell("rm -r \"$SPOOL\" && cp -a copying \"$SPOOL\"").checked("cp")
            try await expectRefused(rig, "--follow", knows: "this migration is switched")
            try await expectRefused(rig, "--follow --restart", knows: "this migration is switched")

            // After the clean-up nothing of ours is on the target, which then knows of no copy.
            try await rig.shell(
                "rm \"$SPOOL/state/clone.json\"; cp following/clone.json \"$SPOOL/state/\"; "
                    + rig.cloneCommand("cleanup")
            ).checked("cleanup")
            try await rig.expectCleanedUp()
            try await rig.shell("rm -r \"$SPOOL\" && cp -a copying \"$SPOOL\"").checked("cp")
            try await expectRefused(rig, "--follow", knows: "does not know of this copy")
        }
    }

    /// A copy that was interrupted before anything was made, and one into a database that was made again meanwhile.
    @Test func anEmptyTargetIsCopiedTo() async throws {
        try await Rig.runClone { rig in
            try await rig.onSource(Self.schema)
            let killed = try await rig.clone("--table-jobs 1", failpoint: "after-table:1")
            #expect(killed.signal == SIGKILL, "\(killed)")
            try await rig.target.sql("DROP DATABASE \(rig.targetDatabase) WITH (FORCE)")
            try await rig.target.sql("CREATE DATABASE \(rig.targetDatabase)")
            try await rig.clone("").checked("clone")
            try await rig.expectCloned()
            #expect(try await rig.onTarget("SELECT count(*) FROM pg_namespace WHERE nspname = 'walrelay'") == "0")
        }
    }
}
