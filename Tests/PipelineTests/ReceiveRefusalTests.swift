import Glibc
import Observability
import TestSupport
import Testing

/// Sources, slots and spools that receive cannot work with.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct ReceiveRefusalTests {
    private func run(
        _ rig: Rig, source: String? = nil, slot: String? = nil, publication: String = "relay", _ more: String...
    ) async throws -> Finished {
        try await Program.run(
            "receive",
            [
                "-q", "--source", Secret.string(source ?? rig.sourceString), "--slot", slot ?? rig.name,
                "--publication", publication, "--dir", rig.spool, "--endpos", "current",
            ] + more)
    }

    @Test func serversThatCannotBeReached() async throws {
        try await Rig.run(createsSlot: false) { rig in
            let free = "host=127.0.0.1 port=1 user=postgres dbname=x"
            expectRefusal(try await run(rig, source: free), .connection, "receive", "port=1", "running")
            let missing = rig.source.connectionString(database: "no_such_database")
            expectRefusal(try await run(rig, source: missing), .connection, "receive", "no_such_database")
            expectRefusal(
                try await Program.run("replay", ["--position", "--target", Secret.string(free)]), .connection, "replay")
            let uri = "postgresql://postgres:\(Secret.password)@127.0.0.1:1/x"
            let finished = try await Program.run("receive", ["--source", uri, "--endpos", "current"])
            expectRefusal(finished, .connection, "receive")
        }
    }

    @Test func aPasswordThatIsWrong() async throws {
        let strict = try await Cluster.start(name: "strict")
        let rules = "\(strict.dataFolder)/pg_hba.conf"
        try await Program.shell("sed -i '1i host all guarded 127.0.0.1/32 scram-sha-256' '\(rules)'").checked()
        try await strict.sql("CREATE ROLE guarded REPLICATION LOGIN PASSWORD 'right'; SELECT pg_reload_conf()")
        let string = "host=127.0.0.1 port=\(strict.port) user=guarded dbname=postgres password=\(Secret.password)"
        try await strict.awaitSQL("SELECT count(*) FROM pg_hba_file_rules WHERE user_name = '{guarded}'", equals: "1")
        let received = try await Program.run("receive", ["--source", string, "--endpos", "current"])
        expectRefusal(received, .connection, "receive", "password authentication failed")
        let replayed = try await Program.run("replay", ["--target", string, "--position"])
        expectRefusal(replayed, .connection, "replay", "password authentication failed")
    }

    @Test func aRoleThatMayNotReplicate() async throws {
        try await Rig.run { rig in
            let role = "\(rig.name)_plain"
            try await rig.onSource("CREATE ROLE \(role) LOGIN")
            let string = rig.source.connectionString(database: rig.sourceDatabase, user: role)
            expectRefusal(
                try await run(rig, source: string), .privilege, "receive", "ALTER ROLE \"\(role)\" REPLICATION")
            let created = try await Program.run(
                "receive", ["--source", string, "--slot", "x", "--publication", "relay", "--create-slot"])
            expectRefusal(created, .privilege, "receive", "ALTER ROLE")
            try await rig.onSource("DROP ROLE \(role)")
        }
    }

    @Test func slotsThatAreMissingOrUnfit() async throws {
        try await Rig.run { rig in
            expectRefusal(
                try await run(rig, publication: "no_such"), .unsuitableServer, "receive", "no_such",
                "CREATE PUBLICATION")
            expectRefusal(try await run(rig, slot: "no_such"), .slotMissing, "receive", "no_such", "--create-slot")
            let dropped = try await Program.run(
                "receive", ["--source", rig.sourceString, "--slot", "no_such", "--drop-slot"])
            expectRefusal(dropped, .slotMissing, "receive", "no_such")

            let (physical, other, elsewhere) = ("\(rig.name)_physical", "\(rig.name)_other", "\(rig.name)_elsewhere")
            try await rig.onSource(
                """
                SELECT pg_create_physical_replication_slot('\(physical)', true);
                SELECT pg_create_logical_replication_slot('\(other)', 'test_decoding');
                """)
            try await rig.source.sql("SELECT pg_create_logical_replication_slot('\(elsewhere)', 'pgoutput')")
            expectRefusal(try await run(rig, slot: physical), .slotMismatch, "receive", "physical")
            expectRefusal(try await run(rig, slot: other), .slotMismatch, "receive", "test_decoding", "pgoutput")
            expectRefusal(try await run(rig, slot: elsewhere), .slotMismatch, "receive", rig.sourceDatabase, "postgres")
            expectRefusal(try await run(rig, "--create-slot"), .slotMismatch, "receive", "exists", "--if-not-exists")
            expectRefusal(
                try await run(rig, slot: other, "--create-slot", "--if-not-exists"), .slotMismatch, "receive")
            #expect(try await run(rig, "--create-slot", "--if-not-exists", "--start").exitCode == 0)
            let gone = try await Program.run(
                "receive", ["-q", "--source", rig.sourceString, "--slot", "no_such", "--drop-slot", "--if-exists"])
            #expect(gone.exitCode == 0 && gone.stderr.isEmpty)
            try await rig.onSource(
                """
                SELECT pg_drop_replication_slot('\(physical)'), pg_drop_replication_slot('\(other)');
                """)
            try await rig.source.sql("SELECT pg_drop_replication_slot('\(elsewhere)')")
        }
    }

    @Test func aSlotOrSpoolThatIsTaken() async throws {
        try await Rig.run { rig in
            let first = try rig.stage("receive", ["--dir", rig.spool])
            try await first.awaitLog(containing: "streaming from slot")
            let pid = try await rig.source.sql(
                "SELECT active_pid FROM pg_replication_slots WHERE slot_name = '\(rig.name)'")
            expectRefusal(try await run(rig), .slotActive, "receive", pid, "pg_terminate_backend(\(pid))")
            first.signal(SIGINT)
            #expect(try await first.wait().exitCode == 0)
            try await rig.awaitFreeSlot()

            // A writer that has lost its slot may still hold the spool.
            let holder = try rig.start("exec flock \"$SPOOL/receive.lock\" sh -c 'echo held; exec sleep 60'")
            while holder.output.isEmpty { try await Task.sleep(for: .milliseconds(10)) }
            expectRefusal(try await run(rig), .locked, "receive", rig.spool, "--dir")
            holder.killGroup()
            _ = try await holder.wait()

            let other = "\(rig.name)_other"
            try await rig.onSource("SELECT pg_create_logical_replication_slot('\(other)', 'pgoutput')")
            expectRefusal(try await run(rig, slot: other), .foreign, "receive", other, rig.name)
            try await rig.onSource("SELECT pg_drop_replication_slot('\(other)')")
        }
    }

    @Test func aSpoolThatEndsBeforeItsSlot() async throws {
        try await Rig.run("CREATE TABLE t (id int PRIMARY KEY)") { rig in
            for number in 1...2 {
                try await rig.onSource("INSERT INTO t VALUES (\(number))")
                try await rig.capture()
            }
            let last = try #require(try await rig.sealedSegments().last)
            #expect(unlink(last) == 0)
            expectRefusal(try await run(rig), .gap, "receive", rig.spool, "new copy")
        }
    }

    @Test func aServerThatLostTheSlotOrCannotDecode() async throws {
        let short = try await Cluster.start(
            name: "short", settings: ["max_slot_wal_keep_size": "1MB", "min_wal_size": "32MB", "max_wal_size": "32MB"])
        try await Rig.run("CREATE TABLE t (v text)", source: short) { rig in
            for _ in 0..<4 {
                try await rig.onSource("INSERT INTO t VALUES ('x'); SELECT pg_switch_wal(); CHECKPOINT")
            }
            #expect(
                try await rig.onSource("SELECT wal_status FROM pg_replication_slots WHERE slot_name = '\(rig.name)'")
                    == "lost")
            expectRefusal(try await run(rig), .slotLost, "receive", rig.name, "new copy")
            try await rig.onSource("SELECT pg_drop_replication_slot('\(rig.name)')")
            try await short.sql("ALTER SYSTEM SET wal_level = replica")
            try await short.restart()
            expectRefusal(
                try await run(rig), .unsuitableServer, "receive", "wal_level = replica", "ALTER SYSTEM SET wal_level")
        }
    }
}
