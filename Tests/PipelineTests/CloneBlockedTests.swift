import Glibc
import Observability
import TestSupport
import Testing

/// A change that the target refuses keeps changes from being applied, and from nothing else.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct CloneBlockedTests {
    @Test(arguments: try await PostgresInstallation.targetMajors().prefix(2))
    func receivingGoesOnUntilItCanBeApplied(_ targetMajor: Int) async throws {
        try await Rig.runClone(targetMajor: targetMajor) { rig in
            let nobody = try await rig.shell("clone retry --dir \"$SPOOL\"")
            #expect(nobody.exitCode == ExitStatus.inputOutput.rawValue, "\(nobody)")
            let follower = try await rig.startFollower()
            let idle = try await rig.shell("clone retry --dir \"$SPOOL\"").checked("retry")
            #expect(idle.output.contains("nothing is blocked"), "\(idle)")

            try await rig.onTarget("ALTER TABLE parent ADD CONSTRAINT refuses CHECK (id <> 77)")
            try await rig.onSource("INSERT INTO parent VALUES (76); INSERT INTO parent VALUES (77)")
            try await follower.awaitLog(containing: "applying is blocked: replay ended with code 16")
            try await rig.awaitStatus { status in
                ["! applying is blocked since", "replay-failure-", "replay      blocked"].allSatisfy {
                    status.contains($0)
                }
            }
            // What came before the refused transaction is applied, and what comes after it is received and confirmed.
            #expect(try await rig.onTarget("SELECT count(*) FROM parent WHERE id = 76") == "1")
            try await rig.onSource("INSERT INTO child SELECT i, 'late' FROM generate_series(1000, 3000) i")
            let written = try await rig.onSource("SELECT pg_current_wal_lsn()")
            try await rig.source.awaitSQL(
                "SELECT confirmed_flush_lsn >= '\(written)' FROM pg_replication_slots WHERE slot_name = '\(rig.name)'",
                equals: "t", database: rig.sourceDatabase)
            #expect(try await rig.onTarget("SELECT count(*) FROM child") == "1")

            let refused = try await rig.shell(rig.cloneCommand("switchover --dry-run --max-lag 1000GB"))
            #expect(refused.exitCode == ExitStatus.conflict.rawValue, "\(refused)")
            #expect(refused.output.contains("applying is blocked since"), "\(refused.output)")
            // Tried again too early, it is as before.
            try await rig.shell("clone retry --dir \"$SPOOL\"").checked("retry")
            try await rig.awaitStatus { $0.contains("tried 2 times") }
            try await rig.onTarget("ALTER TABLE parent DROP CONSTRAINT refuses")
            let again = try await rig.shell("clone retry --dir \"$SPOOL\"").checked("retry")
            #expect(again.output.contains("clone tries again"), "\(again)")
            try await follower.awaitLog(containing: "changes are applied again")
            try await rig.awaitStatus { !$0.contains("blocked") }
            try await rig.shell(rig.cloneCommand("switchover --fence --compare")).checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            try await rig.expectCloned()
        }
    }
}
