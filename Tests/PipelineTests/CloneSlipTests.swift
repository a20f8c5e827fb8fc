import Glibc
import Observability
import TestSupport
import Testing

/// What a person forgets or mistakes: it is said, and nothing is lost by it.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CloneSlipTests {
    private static let servers = "--source \"$SOURCE\" --target \"$TARGET\" --dir \"$SPOOL\""

    @Test func namesAreThoseOfTheJournal() async throws {
        try await Rig.runClone { rig in
            let follower = try await rig.startFollower()
            let dry = try await rig.shell("clone switchover --dry-run \(Self.servers)").checked("dry run")
            #expect(dry.output.contains("A switchover could be made now"), "\(dry)")
            let done = try await rig.shell("clone switchover --fence \(Self.servers)").checked("switchover")
            #expect(done.output.contains("drops slot \(rig.name)"), "\(done)")
            #expect(try await follower.wait().exitCode == 0)
            let lost = try await rig.shell(
                "clone cleanup --source \"$SOURCE\" --target \"$TARGET\" --dir \"$FOLDER/nowhere\"")
            #expect(
                lost.exitCode == ExitStatus.inputOutput.rawValue && lost.stderr.contains("there is no folder"),
                "\(lost)")
            try await rig.shell("clone cleanup \(Self.servers)").checked("cleanup")
            #expect(
                try await rig.source.sql("SELECT count(*) FROM pg_replication_slots WHERE slot_name = '\(rig.name)'")
                    == "0")
        }
    }

    /// A target that is left behind must not be taken for a migrated one.
    @Test func whatIsGivenUpIsNotDone() async throws {
        try await Rig.runClone { rig in
            let follower = try await rig.startFollower()
            follower.signal(SIGTERM)
            _ = try await follower.wait()
            let cleanup = try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
            #expect(cleanup.stderr.contains("given up before a switchover"), "\(cleanup)")
            let status = try await rig.shell("clone status --check --dir \"$SPOOL\"")
            #expect(status.exitCode == 2 && status.output.contains("given up by clone cleanup at"), "\(status)")
            for command in ["--follow", "switchover --fence"] {
                let refused = try await rig.shell(rig.cloneCommand(command))
                #expect(refused.exitCode == ExitStatus.conflict.rawValue, "\(refused)")
            }
            let waited = try await rig.shell("clone wait --for caught-up --dir \"$SPOOL\"")
            #expect(waited.exitCode == ExitStatus.conflict.rawValue, "\(waited)")
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup again")
        }
    }

    @Test func aCopyToBeFollowedIsNotResumedAsOneThatIsNot() async throws {
        try await Rig.runClone { rig in
            let killed = try await rig.clone("--follow", failpoint: "after-table")
            #expect(killed.signal == SIGKILL, "\(killed)")
            // Nobody works on it, and nobody comes.
            let waited = try await rig.shell("clone wait --for copied --dir \"$SPOOL\"")
            #expect(waited.exitCode == ExitStatus.conflict.rawValue, "\(waited)")
            let refused = try await rig.clone()
            #expect(refused.exitCode == ExitStatus.usage.rawValue, "\(refused)")
            #expect(refused.stderr.contains("add --follow to resume it"), "\(refused)")
            let follower = try await rig.startFollower()
            // What connects to the target first is the copy itself.
            try await rig.shell("clone wait --for caught-up --dir \"$SPOOL\"").checked("wait")
            try await rig.shell(rig.cloneCommand("switchover --fence")).checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            try await rig.expectCloned()
        }
    }

    @Test func aDatabaseThatIsNotThereIsMadeFirst() async throws {
        try await Rig.run(publication: nil, createsSlot: false) { rig in
            let refused = try await rig.shell(
                "clone --source \"$SOURCE\" --target \"$TARGET dbname=nowhere\" --dir \"$SPOOL\"")
            #expect(refused.exitCode == ExitStatus.connection.rawValue, "\(refused)")
            #expect(
                refused.stderr.contains("make the target's database first, on that server: createdb nowhere"),
                "\(refused)")
        }
    }

    /// What other databases write is no lag of this one's.
    @Test func anIdleDatabaseOfABusyServerIsCaughtUp() async throws {
        let source = try await Cluster.start(name: "busy")
        try await Rig.run("", source: source, publication: nil, createsSlot: false) { rig in
            try await rig.onSource("CREATE TABLE t (id int PRIMARY KEY)")
            let follower = try await rig.startFollower()
            let other = try await rig.source.createDatabase(prefix: "other")
            let writer = try rig.start(
                """
                while :; do echo "SELECT pg_logical_emit_message(false, 'x', repeat('x', 12000000)), pg_sleep(0.1);"; done |
                  exec psql -Xqd '\(rig.source.connectionString(database: other))' >/dev/null
                """)
            // Longer than receive takes to ask for the source's position, and to write down where it is.
            for _ in 1...8 {
                try await rig.shell("clone wait --for caught-up --timeout 5 --dir \"$SPOOL\"; sleep 2").checked("wait")
                try await rig.shell("clone wait --for caught-up --timeout 5 --dir \"$SPOOL\"").checked("wait")
            }
            writer.killGroup()
            follower.signal(SIGTERM)
            _ = try await follower.wait()
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
            try await rig.source.dropDatabase(other)
        }
        try await source.remove()
    }
}
