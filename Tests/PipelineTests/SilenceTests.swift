import Glibc
import TestSupport
import Testing

/// A source that says nothing any more, and one that wants to shut down.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct SilenceTests {
    private static let schema = "CREATE TABLE t (id int PRIMARY KEY)"

    @Test func aConnectionThatSwallowsIsLostAndMadeAgain() async throws {
        try await Rig.run(Self.schema) { rig in
            let proxy = try SwallowingProxy(to: rig.source.port)
            defer { proxy.end() }
            let string = proxy.string(database: rig.sourceDatabase) + " options='-c wal_sender_timeout=3s'"
            let receive = try rig.start(
                """
                exec $(command -v receive) --source "\(string)" --slot "$NAME" $PUBLICATION --dir "$SPOOL" --silence-limit 2
                """)
            try await receive.awaitLog(containing: "streaming from slot")
            try await rig.onSource("INSERT INTO t VALUES (1)")
            try await rig.source.awaitSQL(
                "SELECT confirmed_flush_lsn > restart_lsn FROM pg_replication_slots WHERE slot_name = '\(rig.name)'",
                equals: "t")
            // An idle source answers, and nothing is said about it.
            try await Task.sleep(for: .seconds(5))
            #expect(!receive.stderr.contains("warning"), "\(receive.stderr)")
            proxy.swallow()
            try await receive.awaitLog(containing: "has sent nothing for 2 s", within: .seconds(6))
            try await receive.awaitLog(containing: "has not answered for 2 s", within: .seconds(6))
            proxy.passNewOnes()
            try await rig.onSource("INSERT INTO t VALUES (2)")
            let end = try await rig.source.sql("SELECT pg_current_wal_insert_lsn()")
            try await rig.source.awaitSQL(
                "SELECT confirmed_flush_lsn >= '\(end)' FROM pg_replication_slots WHERE slot_name = '\(rig.name)'",
                equals: "t")
            receive.signal(SIGTERM)
            try await receive.wait().checked("receive")
            try await rig.awaitFreeSlot()
            try await rig.catchUp()
            try await rig.expectEqual()
        }
    }

    @Test(arguments: [false, true])
    func aSourceShutsDownBeforeAReceiveToAPipe(_ hasTarget: Bool) async throws {
        let source = try await Cluster.start(name: "ending")
        try await Rig.run(Self.schema, source: source) { rig in
            let arguments = hasTarget ? ["--stdout", "--target", rig.targetString, "--origin", rig.name] : ["--stdout"]
            let receive = try rig.stage("receive", arguments, ">log")
            try await receive.awaitLog(containing: "streaming from slot")
            let confirmed = "SELECT confirmed_flush_lsn FROM pg_replication_slots"
            let before = try await source.sql(confirmed)
            try await rig.onSource("INSERT INTO t SELECT generate_series(1, 1000)")
            let begun = ContinuousClock.now
            try await source.stop(mode: .fast)
            #expect(ContinuousClock.now - begun < .seconds(20))
            receive.signal(SIGTERM)
            #expect(try await receive.wait().exitCode == 0, "\(receive.stderr)")
            try await source.startAgain()
            // Nothing was durable anywhere: all of it comes again.
            #expect(try await source.sql(confirmed) == before)
            try await rig.catchUp()
            try await rig.expectEqual()
        }
        try await source.remove()
    }
}
