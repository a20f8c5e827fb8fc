import Glibc
import Postgres
import TestSupport
import Testing

/// What the source is told to forget.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct AckTests {
    @Test func onlyWhatTheSpoolHoldsIsAcknowledged() async throws {
        try await Rig.run(createsSlot: false) { rig in
            try await Load.prepare(rig)
            try await rig.receive("--create-slot").checked("receive")
            let began = try await confirmed(rig)
            let load = try Load.start(rig, seconds: 4)
            for interval in [0, 200, 50] {
                let receiver = try rig.stage(
                    "receive", ["--dir", rig.spool, "--fsync-interval", "\(interval)", "--segment-size", "64kB"])
                for look in 0..<10 {
                    try await Task.sleep(for: .milliseconds(80))
                    if look == 9 {
                        // It got so far that there is something to look at, however slowly it began.
                        try await rig.source.awaitSQL(
                            """
                            SELECT confirmed_flush_lsn > '\(began)' FROM pg_replication_slots
                             WHERE slot_name = '\(rig.name)'
                            """, equals: "t")
                        receiver.kill()
                    }
                    // The order matters: the spool only grows.
                    let acknowledged = try await confirmed(rig)
                    let held = try await spoolEnd(rig)
                    #expect(acknowledged <= held ?? began, "interval \(interval), look \(look)")
                }
                _ = try await receiver.wait()
                try await rig.awaitFreeSlot()
                let (acknowledged, held) = (try await confirmed(rig), try #require(try await spoolEnd(rig)))
                #expect(acknowledged <= held)
            }
            #expect(try await confirmed(rig) > began)
            try await load.wait().checked("pgbench")
            try await rig.capture()
            #expect(try await confirmed(rig) == spoolEnd(rig))
        }
    }

    @Test func aQuietDatabaseOnABusyServerLetsItsWALGo() async throws {
        try await Rig.run("CREATE TABLE t (id int PRIMARY KEY)") { rig in
            let receiver = try rig.stage("receive", ["--dir", rig.spool, "--status-interval", "1"])
            let busy = try await rig.source.createDatabase(prefix: "busy")
            try await rig.source.sql(
                "CREATE TABLE t AS SELECT g, repeat('x', 500) AS v FROM generate_series(1, 20000) g", database: busy)
            let position = try await rig.source.sql(Cluster.commitPositionQuery)
            try await rig.source.awaitSQL(
                """
                SELECT confirmed_flush_lsn >= '\(position)' FROM pg_replication_slots WHERE slot_name = '\(rig.name)'
                """, equals: "t", within: .seconds(20))
            // What was acknowledged without any change is written down too, so that the spool is not behind the slot.
            receiver.signal(SIGINT)
            #expect(try await receiver.wait().exitCode == 0)
            try await rig.onSource("INSERT INTO t VALUES (1)")
            try await rig.catchUp()
            try await rig.expectEqual()
            try await rig.source.dropDatabase(busy)
        }
    }

    @Test func aPipeAcknowledgesWhatTheTargetHas() async throws {
        try await Rig.run("CREATE TABLE t (id int PRIMARY KEY)") { rig in
            let before = try await confirmed(rig)
            let unread = try rig.start("receive --stdout --status-interval 1 | sleep 30")
            try await rig.onSource("INSERT INTO t VALUES (1)")
            try await Task.sleep(for: .milliseconds(2500))
            #expect(try await confirmed(rig) == before)
            unread.killGroup()
            try await rig.awaitFreeSlot()

            let read = try rig.start(
                """
                receive --stdout --status-interval 1 --target "$TARGET" --origin "$NAME" | transform - | replay
                """)
            try await rig.source.awaitSQL(
                "SELECT confirmed_flush_lsn > '\(before)' FROM pg_replication_slots WHERE slot_name = '\(rig.name)'",
                equals: "t")
            #expect(try await rig.onTarget("SELECT id FROM t") == "1")
            read.killGroup()
            try await rig.awaitFreeSlot()
        }
    }

    private func confirmed(_ rig: Rig) async throws -> LSN {
        let text = try await rig.source.sql(
            "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '\(rig.name)'")
        return try #require(LSN(text))
    }

    /// The end of the last whole transaction in the spool; nil while there is none.
    private func spoolEnd(_ rig: Rig) async throws -> LSN? {
        guard try await rig.shell("test -d \"$SPOOL\"").succeeded else { return nil }
        let verified = try await rig.shell("inspect verify --json \"$SPOOL\"")
        // A segment may be caught in the middle of being begun; then the one before it counts, and that is no less.
        let ends = verified.outputLines.compactMap { $0.firstMatch(of: /"end":"([^"]+)"/)?.1 }
        return ends.last.flatMap { LSN(String($0)) }
    }
}
