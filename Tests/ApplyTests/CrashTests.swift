import Apply
import Batches
import Postgres
import TestSupport
import Testing

/// A target that crashes.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CrashTests {
    @Test func rowsAndPositionAreLostTogetherOrNotAtAll() async throws {
        let options = ApplyOptions(reconnects: false)
        let cluster = try await Cluster.start(role: .target, name: "crash", settings: ["fsync": "on"])
        try await Target.run("CREATE TABLE t (id int PRIMARY KEY)", cluster: cluster) { target in
            for mode in [ServerStopMode.immediate, .fast] {
                let before = try await rows(target)
                // Without an end, so that it is at work when the server crashes, however long that takes.
                async let applied = target.apply("", options: options, from: EndlessBatches(target.stream))
                try await cluster.awaitSQL(
                    "SELECT count(*) >= \(before + 100) FROM t", equals: "t", database: target.database)
                try await cluster.restart(mode: mode)
                let result = try await applied
                #expect(result.error?.code == .connectionLost, "\(result)")
                try await expectAgreement(target)
            }
            let all = try await rows(target) + 1000
            let text = EndlessBatches.text(target.stream, count: all)
            // A commit that was only in the server's memory is gone together with its rows.
            _ = try await target.apply(text, options: options)
            try await cluster.killServer()
            try await cluster.startAgain()
            try await expectAgreement(target)
            #expect(try await target.apply(text).outcome == .reachedEnd(BatchText.lsn(all * 100 + 100)))
            #expect(try await target.sql("SELECT count(*) FROM t") == "\(all)")
        }
    }

    @Test func thereIsAPositionBeforeTheFirstRow() async throws {
        // Nobody makes a commit durable that does not wait for it.
        let cluster = try await Cluster.start(role: .target, name: "first crash", settings: ["wal_writer_delay": "10s"])
        try await Target.run("CREATE TABLE t (id int PRIMARY KEY)", cluster: cluster) { target in
            var text = BatchText(stream: target.stream)
            text.batch(100, 200, "INSERT INTO \"public\".\"t\" (\"id\") VALUES (1); -- rows:1")
            let options = ApplyOptions(allowsOpenEnd: true)
            #expect(try await target.apply(text.text, options: options).outcome == .inputEnded(BatchText.lsn(200)))
            try await cluster.killServer()
            try await cluster.startAgain()
            let rows = try await target.sql("SELECT count(*) FROM t")
            #expect(try await target.position() == BatchText.lsn(rows == "0" ? 100 : 200))

            // What comes next does not pass where the first is missing.
            text = BatchText(stream: target.stream, from: 200)
            text.batch(200, 300, "INSERT INTO \"public\".\"t\" (\"id\") VALUES (2); -- rows:1")
            let next = try await target.apply(text.text, options: options)
            #expect(rows == "0" ? next.error?.code == .gap : next.outcome != nil)
        }
        try await cluster.remove()
    }

    /// Batch n makes row n and takes the target to (n + 1) * 100.
    private func expectAgreement(_ target: Target) async throws {
        let rows = try await rows(target)
        #expect(try await target.sql("SELECT count(*) FROM t") == "\(rows)")
        let position = try await target.position()
        // Before it was connected for the first time there is none.
        #expect(position == BatchText.lsn(rows * 100 + 100) || (position == nil && rows == 0))
    }

    private func rows(_ target: Target) async throws -> Int {
        try #require(Int(try await target.sql("SELECT coalesce(max(id), 0) FROM t")))
    }
}
