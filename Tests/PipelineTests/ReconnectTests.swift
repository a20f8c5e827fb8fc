import TestSupport
import Testing

/// A receive that outlives its connection.
@Suite(.serialized, .timeLimit(.minutes(3)))
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

    @Test func noLoopEndsWithTheConnection() async throws {
        try await Rig.run(Self.schema) { rig in
            let receive = try rig.stage("receive", ["--dir", rig.spool, "--no-loop"])
            try await receive.awaitLog(containing: "streaming from slot")
            try await rig.onSource(
                "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '\(rig.name)'")
            let ended = try await receive.wait()
            #expect(ended.exitCode == 3)
        }
    }
}
