import Glibc
import Observability
import TestSupport
import Testing

/// What belongs to another migration stays as it is, and two never do the same work.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct OtherMigrationTests {
    private static func runFollowed(_ body: (Rig) async throws -> Void) async throws {
        try await Rig.run("", publication: nil, createsSlot: false) { rig in
            try await rig.onSource(
                "CREATE TABLE f (id int); ALTER TABLE f REPLICA IDENTITY FULL; INSERT INTO f SELECT generate_series(1, 100)"
            )
            let follower = try await rig.startFollower()
            try await rig.shell("clone wait --for caught-up --dir \"$SPOOL\"").checked("wait")
            try await body(rig)
            follower.signal(SIGTERM)
            _ = try await follower.wait()
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
        }
    }

    /// With a row for each change, of a table in which equal rows may be, nothing would tell that all came twice.
    @Test func twoOfOneSourceDoNotFillOneTarget() async throws {
        try await Self.runFollowed { rig in
            let second =
                "--source \"$SOURCE\" --target \"$TARGET\" --dir \"$FOLDER/second\" --slot-name \"${NAME}_2\" --origin second"
            for options in ["--drop-if-exists", ""] {
                let clone = try await rig.shell("clone --follow \(options) \(second)")
                #expect(clone.exitCode != 0, "\(clone)")
                guard !options.isEmpty else { continue }
                #expect(clone.exitCode == ExitStatus.foreign.rawValue, "\(clone)")
                #expect(
                    clone.stderr.contains("another migration fills the target: \"\(rig.name)\", following"), "\(clone)")
            }
            try await rig.shell("receive --create-slot --source \"$SOURCE\" --slot \"${NAME}_2\"").checked("receive")
            let position = try await rig.onSource(
                "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '\(rig.name)_2'")
            let adopt = try await rig.shell("clone adopt --at \(position) \(second)")
            #expect(adopt.exitCode == ExitStatus.foreign.rawValue, "\(adopt)")
            let check = try await rig.shell("clone check \(second)")
            #expect(
                check.output.contains("FAIL") && check.output.contains("another migration fills the target"), "\(check)"
            )
            try await rig.shell("receive --drop-slot --source \"$SOURCE\" --slot \"${NAME}_2\"").checked("receive")
            try await rig.onSource("INSERT INTO f VALUES (777)")
            try await rig.target.awaitSQL(
                "SELECT count(*) FROM f WHERE id = 777", equals: "1", database: rig.targetDatabase)
            #expect(try await rig.onTarget("SELECT count(*) FROM f") == "101")
        }
    }

    /// Names of slots are the server's, and by default the same in each of its databases.
    @Test func aSlotOfAnotherDatabaseStays() async throws {
        try await Rig.run("", publication: nil, createsSlot: false) { rig in
            let other = try await rig.source.createDatabase(prefix: "other")
            let elsewhere = "export SOURCE='\(rig.source.connectionString(database: other))'; "
            try await rig.onSource("CREATE TABLE t (id int PRIMARY KEY)")
            let follower = try await rig.startFollower()
            try await rig.shell("clone wait --for caught-up --dir \"$SPOOL\"").checked("wait")
            follower.signal(SIGTERM)
            _ = try await follower.wait()
            let servers = "--source \"$SOURCE\" --target \"$TARGET\" --slot-name \"$NAME\" --origin \"$NAME\""
            for (command, code) in [
                ("mkdir -p \"$FOLDER/none\"; clone cleanup --dir \"$FOLDER/none\" \(servers)", ExitStatus.foreign),
                (
                    "mkdir -p \"$FOLDER/none\"; clone cleanup --dir \"$FOLDER/none\" \(servers) --origin none",
                    .slotMismatch
                ),
                (
                    "mkdir -p \"$FOLDER/none\"; clone cleanup --dir \"$FOLDER/none\" \(servers) --slot-name none",
                    .foreign
                ),
                (rig.cloneCommand("cleanup"), .foreign),
                ("receive --drop-slot --source \"$SOURCE\" --slot \"$NAME\"", .slotMismatch),
            ] {
                let refused = try await rig.shell(elsewhere + command)
                #expect(refused.exitCode == code.rawValue, "\(refused)")
            }
            // The migration goes on as if nothing had been.
            try await rig.onSource("INSERT INTO t VALUES (1)")
            let again = try rig.startClone("--follow")
            try await rig.target.awaitSQL("SELECT count(*) FROM t", equals: "1", database: rig.targetDatabase)
            again.signal(SIGTERM)
            _ = try await again.wait()
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
            try await rig.source.dropDatabase(other)
        }
    }
}
