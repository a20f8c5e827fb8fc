import Glibc
import TestSupport
import Testing

/// A receive that outlives its connection.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct ReconnectTests {
    private static let schema = "CREATE TABLE ledger (v int, s text); ALTER TABLE ledger REPLICA IDENTITY FULL;"

    @Test func killedSenderAndRestartedSourceNeitherLoseNorDoubleAChange() async throws {
        let source = try await Cluster.start(name: "reconnect")
        try await Rig.run(Self.schema, source: source) { rig in
            let receive = try rig.stage("receive", ["--dir", rig.spool])
            try await receive.awaitLog(containing: "streaming from slot")
            try await rig.onSource("INSERT INTO ledger SELECT i % 10, 'one' FROM generate_series(1, 500) i")
            try await rig.onSource("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots")
            try await receive.awaitLog(containing: "connecting again")
            try await rig.onSource("INSERT INTO ledger SELECT i % 10, 'two' FROM generate_series(1, 500) i")
            try await source.restart(mode: .fast)
            try await rig.onSource("INSERT INTO ledger SELECT i % 10, 'three' FROM generate_series(1, 500) i")
            try await source.restart(mode: .immediate)
            try await rig.onSource("INSERT INTO ledger SELECT i % 10, 'four' FROM generate_series(1, 500) i")
            try await source.awaitSQL("SELECT active FROM pg_replication_slots", equals: "t")
            receive.signal(2)
            try await receive.wait().checked("receive")
            try await rig.awaitFreeSlot()
            try await rig.catchUp()
            try await rig.expectEqual()
            #expect(try await rig.onTarget("SELECT count(*) FROM ledger") == "2000")
        }
        try await source.remove()
    }

    @Test func aReceiverThatSleptLongerThanTheSourceWaitsGoesOn() async throws {
        let source = try await Cluster.start(name: "impatient", settings: ["wal_sender_timeout": "1500ms"])
        try await Rig.run(Self.schema, source: source) { rig in
            let receive = try rig.stage("receive", ["--dir", rig.spool, "--status-interval", "1"])
            try await receive.awaitLog(containing: "streaming from slot")
            for round in 0..<2 {
                try await rig.onSource("INSERT INTO ledger SELECT i % 10, 'before' FROM generate_series(1, 500) i")
                receive.signal(SIGSTOP)
                try await rig.onSource("INSERT INTO ledger SELECT i % 10, 'asleep' FROM generate_series(1, 20000) i")
                // The source has given up on it.
                try await source.awaitSQL("SELECT active FROM pg_replication_slots", equals: "f")
                try await rig.onSource("INSERT INTO ledger SELECT i % 10, 'after' FROM generate_series(1, 500) i")
                receive.signal(SIGCONT)
                try await source.awaitSQL("SELECT active FROM pg_replication_slots", equals: "t")
                #expect(receive.stderr.occurrences(of: "connecting again") > round)
            }
            receive.signal(SIGTERM)
            try await receive.wait().checked("receive")
            try await rig.awaitFreeSlot()
            try await rig.catchUp()
            try await rig.expectEqual()
            #expect(try await rig.onTarget("SELECT count(*) FROM ledger") == "42000")
        }
        try await source.remove()
    }

    @Test func noLoopEndsWithTheConnection() async throws {
        try await Rig.run(Self.schema) { rig in
            let receive = try rig.stage("receive", ["--dir", rig.spool, "--no-loop"])
            try await receive.awaitLog(containing: "streaming from slot")
            // It says so before the source shows it.
            try await rig.source.awaitSQL(
                """
                SELECT count(pg_terminate_backend(active_pid)) FROM pg_replication_slots
                 WHERE slot_name = '\(rig.name)'
                """, equals: "1")
            let ended = try await receive.wait()
            #expect(ended.exitCode == 3)
        }
    }
}

extension String {
    /// How often a text occurs in it.
    fileprivate func occurrences(of text: String) -> Int {
        ranges(of: text).count
    }
}
