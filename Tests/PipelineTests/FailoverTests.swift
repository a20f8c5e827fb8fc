import Glibc
import Observability
import TestSupport
import Testing

/// The source is promoted, or put back to an earlier state, and the same receive is run again.
@Suite(.serialized, .timeLimit(.minutes(10)))
struct FailoverTests {
    private static let majors = OtherServers.majors.filter { $0 >= 17 }
    private static let schema = "CREATE TABLE ledger (id int PRIMARY KEY, s text);"

    /// A source with a standby that copies its slots, and a slot that has a copy there.
    private static func run(
        _ major: Int, _ body: (Rig, _ standby: Cluster, _ both: String) async throws -> Void
    ) async throws {
        let installation = try await OtherServers.installation(major)
        let primary = try await Cluster.start(name: "primary \(major)", installation: installation)
        try await Rig.run(schema, source: primary, createsSlot: false) { rig in
            try await rig.receive("--create-slot", "--failover").checked("receive")
            let standby = try await primary.startStandby(
                name: "standby \(major)", settings: ["sync_replication_slots": "on"])
            let both =
                "host=\(primary.host),\(standby.host) port=\(primary.port),\(standby.port) user=postgres "
                + "dbname=\(rig.sourceDatabase) target_session_attrs=read-write"
            try await rig.onSource("INSERT INTO ledger SELECT i, 'one' FROM generate_series(1, 500) i")
            // The slot moves on, so that a standby may keep a copy of it.
            try await rig.capture()
            try await standby.awaitSQL(
                "SELECT synced AND NOT temporary FROM pg_replication_slots WHERE slot_name = '\(rig.name)'",
                equals: "t",
                within: .seconds(120))
            try await body(rig, standby, both)
            try await standby.remove()
            if primary.serverPID == nil { try await primary.startAgain() }
        }
        try await primary.remove()
    }

    private static let skipped: Comment = "skipped: servers 17 and 18; tools/servers brings them"

    /// The ids in the log, in order, each as often as it is there.
    private func captured(_ rig: Rig) async throws -> [Int] {
        let found = try await rig.shell(
            #"transform -q --format jsonl "$SPOOL" | grep -o '"after":{"id":"[0-9]*"' | tr -dc '0-9\n'"#)
        return try found.checked("transform").outputLines.compactMap { Int($0) }
    }

    /// Where the log ends.
    private func end(_ rig: Rig) async throws -> String {
        let found = try await rig.shell(#"inspect list --json "$SPOOL" | sed -n '$s/.*"end":"\([^"]*\)".*/\1/p'"#)
        return try found.checked("inspect list").outputLines.first ?? ""
    }

    @Test(.enabled(if: !majors.isEmpty, skipped), arguments: majors)
    func theSameReceiveContinuesOnTheStandby(_ major: Int) async throws {
        try await Self.run(major) { rig, standby, both in
            // Before it is promoted, the copy is of no use.
            let early = standby.connectionString(database: rig.sourceDatabase)
            let refused = try await rig.receive("-q", "--source", early)
            expectRefusal(refused, .unsuitableServer, "receive", "standby", "promoted", "target_session_attrs")

            let receive = try rig.stage("receive", ["--dir", rig.spool, "--source", both])
            try await receive.awaitLog(containing: "streaming from slot")
            try await rig.onSource("INSERT INTO ledger SELECT i, 'two' FROM generate_series(501, 1000) i")
            try await rig.source.stop()
            try await receive.awaitLog(containing: "connecting again")
            try await standby.promote()
            try await standby.sql(
                "INSERT INTO ledger SELECT i, 'three' FROM generate_series(1001, 1500) i", database: rig.sourceDatabase)
            try await receive.awaitLog(containing: "the source is on timeline 2 now")
            receive.signal(SIGTERM)
            try await receive.wait().checked("receive")
            try await standby.awaitSQL(
                "SELECT active FROM pg_replication_slots WHERE slot_name = '\(rig.name)'", equals: "f")
            try await standby.sql(
                "INSERT INTO ledger SELECT i, 'four' FROM generate_series(1501, 2000) i", database: rig.sourceDatabase)
            try await rig.capture("--source", both)
            #expect(try await captured(rig) == Array(1...2000))

            let verified = try await rig.shell("inspect verify \"$SPOOL\"").checked("inspect verify").output
            #expect(verified.contains("timeline 1 continues as 2, which parted from it at "), "\(verified)")

            // A slot that the standby never had.
            let other = try await Program.run(
                "receive",
                [
                    "-q", "--source", both, "--slot", "other", "--publication", "relay", "--dir",
                    rig.folder.path("other"),
                ])
            expectRefusal(other, .slotMissing, "receive", "other", "--failover", "sync_replication_slots")
            // The old primary comes back by mistake.
            try await rig.source.startAgain()
            let old = try await rig.receive("-q", "--endpos", "current")
            expectRefusal(old, .foreign, "receive", "on timeline 1", "on timeline 2", "target_session_attrs")
        }
    }

    @Test(.enabled(if: !majors.isEmpty, skipped), arguments: majors)
    func aLogThatIsPastTheForkIsRefused(_ major: Int) async throws {
        try await Self.run(major) { rig, standby, both in
            try await standby.sql("ALTER SYSTEM SET primary_conninfo = ''")
            try await standby.sql("SELECT pg_reload_conf()")
            try await rig.source.awaitSQL("SELECT count(*) FROM pg_stat_replication", equals: "0")
            try await rig.onSource("INSERT INTO ledger SELECT i, 'lost' FROM generate_series(501, 1000) i")
            try await rig.capture("--source", both)
            let end = try await end(rig)
            try await rig.source.stop(mode: .immediate)
            try await standby.promote()
            try await standby.sql(
                "INSERT INTO ledger SELECT i, 'other' FROM generate_series(501, 20000) i", database: rig.sourceDatabase)
            let fork = try await standby.sql("SELECT split_part(pg_read_file('pg_wal/00000002.history'), E'\\t', 2)")
            let finished = try await Program.run(
                "receive", ["-q"] + rig.receiveArguments + ["--source", both, "--endpos", "current"])
            expectRefusal(
                finished, .foreign, "receive", "parted from the log's at \(fork)", "ends at \(end)", "new copy")
            #expect(try await captured(rig) == Array(1...1000))
        }
    }

    /// A virtual machine is put back to a snapshot: the same timeline, but less of it.
    @Test func aSourceThatIsOlderThanTheLogIsRefused() async throws {
        let source = try await Cluster.start(name: "snapshot")
        try await Rig.run(Self.schema, source: source) { rig in
            try await rig.onSource("INSERT INTO ledger SELECT i, 'one' FROM generate_series(1, 100) i")
            try await rig.capture()
            try await source.stop()
            try await source.saveFiles()
            try await source.startAgain()
            try await rig.onSource("INSERT INTO ledger SELECT i, 'two' FROM generate_series(101, 5000) i")
            try await rig.capture()
            let end = try await end(rig)

            // At the reconnect of a receive that runs, and at the start of another.
            let running = try rig.stage("receive", ["--dir", rig.spool])
            try await running.awaitLog(containing: "streaming from slot")
            try await source.stop()
            try await source.restoreFiles()
            try await source.startAgain()
            let ended = try await running.wait()
            #expect(ended.exitCode == ExitStatus.foreign.rawValue, "\(ended)")
            #expect(ended.stderr.contains("put back to an earlier state"), "\(ended)")
            expectRefusal(
                try await rig.receive("-q", "--endpos", "current"), .foreign, "receive", "the source's WAL ends at",
                "ends at \(end)", "new copy")
            #expect(try await captured(rig) == Array(1...5000))
        }
        try await source.remove()
    }

    /// Source and log are put back together: only the target knows what is missing.
    @Test func aTargetThatIsAheadOfItsSourceIsRefused() async throws {
        let source = try await Cluster.start(name: "put back")
        try await Rig.run(source: source, publication: nil, createsSlot: false) { rig in
            try await rig.onSource(Self.schema + "INSERT INTO ledger VALUES (1, 'one')")
            try await follow(rig, rows: 1)
            try await source.stop()
            try await source.saveFiles()
            try await rig.shell("cp -r \"$SPOOL\" saved").checked("cp")
            try await source.startAgain()
            try await rig.onSource("INSERT INTO ledger SELECT i, 'lost' FROM generate_series(2, 20000) i")
            try await follow(rig, rows: 20_000)
            try await source.stop()
            try await source.restoreFiles()
            try await rig.shell("rm -r \"$SPOOL\" && mv saved \"$SPOOL\"").checked("mv")
            try await source.startAgain()
            try await rig.onSource("INSERT INTO ledger VALUES (2, 'another')")
            let refused = try await rig.clone("--follow")
            #expect(refused.exitCode == ExitStatus.foreign.rawValue, "\(refused)")
            #expect(refused.stderr.contains("put back to an earlier state"), "\(refused)")
            #expect(try await rig.onTarget("SELECT s FROM ledger WHERE id = 2") == "lost")
        }
        try await source.remove()
    }

    /// Follows until the target has so many rows, then ends in good order.
    private func follow(_ rig: Rig, rows: Int) async throws {
        let follower = try rig.startClone("--follow")
        try await rig.target.awaitSQL(
            "SELECT CASE WHEN to_regclass('ledger') IS NULL THEN false ELSE true END", equals: "t",
            database: rig.targetDatabase)
        try await rig.target.awaitSQL(
            "SELECT count(*) FROM ledger", equals: "\(rows)", database: rig.targetDatabase, within: .seconds(60))
        try await follower.awaitLog(containing: "connected to the target")
        follower.signal(SIGINT)
        try await follower.wait().checked("clone --follow")
    }

    @Test(.enabled(if: majors.contains(17), skipped)) func cloneMakesASlotForStandbys() async throws {
        let source = try await Cluster.start(
            name: "clone failover", installation: try await OtherServers.installation(17))
        let target = try await Cluster.start(
            name: "clone target", installation: try await OtherServers.installation(17))
        try await Rig.run(source: source, target: target, publication: nil, createsSlot: false) { rig in
            try await rig.onSource(Self.schema + "INSERT INTO ledger VALUES (1, 'one')")
            let hosts =
                "host=\(target.host),\(source.host) port=1,\(source.port) user=postgres dbname=\(rig.sourceDatabase)"
            let clone = try rig.start(
                "export SOURCE='\(hosts) target_session_attrs=read-write'; " + rig.cloneCommand("--follow --failover"))
            try await clone.awaitLog(containing: "following the source's changes")
            #expect(try await source.sql("SELECT failover FROM pg_replication_slots") == "t")
            clone.signal(SIGINT)
            try await clone.wait().checked("clone")
        }
        try await source.remove()
        try await target.remove()
    }

    /// Capture, applying and the switchover go over to the server that took over.
    @Test(.enabled(if: !majors.isEmpty, skipped), arguments: majors.suffix(1))
    func aMigrationContinuesFromTheServerThatTookOver(_ major: Int) async throws {
        let primary = try await Cluster.start(
            name: "primary", installation: try await OtherServers.installation(major))
        try await Rig.run(source: primary, publication: nil, createsSlot: false) { rig in
            try await rig.onSource(Self.schema + "INSERT INTO ledger SELECT i, 'one' FROM generate_series(1, 500) i")
            let standby = try await primary.startStandby(name: "standby", settings: ["sync_replication_slots": "on"])
            let both =
                "export SOURCE='host=\(primary.host),\(standby.host) port=\(primary.port),\(standby.port) user=postgres "
                + "dbname=\(rig.sourceDatabase) target_session_attrs=primary'; "
            let follower = try rig.start(both + rig.cloneCommand("--follow --failover"))
            try await follower.awaitLog(containing: "following the source's changes")
            try await rig.onSource("INSERT INTO ledger SELECT i, 'two' FROM generate_series(501, 1000) i")
            try await standby.awaitSQL(
                "SELECT synced AND NOT temporary FROM pg_replication_slots WHERE slot_name = '\(rig.name)'",
                equals: "t",
                within: .seconds(120))
            try await primary.stop()
            try await standby.promote()
            try await standby.sql(
                "INSERT INTO ledger SELECT i, 'three' FROM generate_series(1001, 1500) i", database: rig.sourceDatabase)
            try await rig.target.awaitSQL(
                "SELECT count(*) FROM ledger", equals: "1500", database: rig.targetDatabase, within: .seconds(120))
            try await rig.target.awaitSQL(
                "SELECT timeline FROM walrelay.progress", equals: "2", database: rig.targetDatabase)
            try await rig.shell(both + rig.cloneCommand("switchover --fence --compare")).checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            let differences = try await DatabaseComparison.differences(
                source: (standby, rig.sourceDatabase), target: (rig.target, rig.targetDatabase))
            #expect(differences == [])
            try await rig.shell(both + rig.cloneCommand("cleanup")).checked("cleanup")
            try await standby.remove()
            try await primary.startAgain()
        }
        try await primary.remove()
    }

    @Test func aSourceBefore17HasNoSlotsForStandbys() async throws {
        try await Rig.run(Self.schema, publication: nil, createsSlot: false) { rig in
            let received = try await rig.receive("-q", "--create-slot", "--failover")
            expectRefusal(received, .unsuitableServer, "receive", "--failover", "17 or newer")
            let cloned = try await rig.clone("--follow --failover")
            #expect(cloned.exitCode == ExitStatus.unsuitableServer.rawValue, "\(cloned)")
            #expect(cloned.stderr.contains("17 or newer"), "\(cloned)")
            #expect(try await rig.onSource("SELECT count(*) FROM pg_publication") == "0")
        }
    }
}
