import Apply
import Batches
import Postgres
import Synchronization
import TestSupport
import Testing

/// Sessions that end in the middle of a batch, and what is then applied again.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct RecoveryTests {
    /// A log that gives one text after the other.
    private final class Log: BatchLog {
        private let texts: Mutex<[InterruptedText]>

        init(_ texts: [InterruptedText]) { self.texts = Mutex(texts.reversed()) }

        func batches(_ range: BatchRange) throws -> any ByteSource {
            try #require(texts.withLock { $0.popLast() })
        }

        func transaction(endingAt end: LSN, after from: LSN) throws -> LoggedTransaction? { nil }
    }

    private func insert(_ id: Int) -> String { "INSERT INTO \"public\".\"t\" (\"id\") VALUES (\(id)); -- rows:1" }

    /// One batch of three rows.
    private func text(_ target: Target, _ parts: String..., transactions: Int = 1) -> String {
        var text = BatchText(stream: target.stream)
        text.begin(100, 200, transactions: transactions)
        for (number, part) in parts.enumerated() { text.line(part + insert(number + 1)) }
        text.commit(200)
        text.end(200)
        return text.text
    }

    @Test func aBatchOfTheLogThatWasCutOffIsNotTakenForWhole() async throws {
        try await Target.run("CREATE TABLE t (id int PRIMARY KEY)") { target in
            // Too large to be kept, and cut off: it is taken from the log. That is cut off after its second row.
            let large = "SELECT length('" + String(repeating: "x", count: 65 << 20) + "');\n@"
            let whole = text(target, "", large, "")
            let log = Log([
                try InterruptedText(text(target, "", "", "@" + insert(7) + "\n"), mark: "@", target),
                try InterruptedText(text(target, "", "", ""), mark: "@", target),
            ])
            // Statements go at once, so that the first session notices in time.
            let options = ApplyOptions(log: log, sendBytes: 1)
            let applied = try await target.apply(
                "", options: options, from: try InterruptedText(whole, mark: "@", target))
            #expect(applied.outcome == .reachedEnd(BatchText.lsn(200)), "\(applied.error?.description ?? "")")
            #expect(applied.statistics.reconnections == 2)
            #expect(try await target.sql("SELECT string_agg(id::text, ',' ORDER BY id) FROM t") == "1,2,3")
        }
    }

    @Test func aBatchIsSentAgainFromMemory() async throws {
        try await Target.run("CREATE TABLE t (id int PRIMARY KEY)") { target in
            let applied = try await target.apply(
                "", options: ApplyOptions(sendBytes: 1),
                from: try InterruptedText(text(target, "", "@", ""), mark: "@", target))
            #expect(applied.outcome == .reachedEnd(BatchText.lsn(200)), "\(applied.error?.description ?? "")")
            #expect(applied.statistics.reconnections == 1)
            #expect(try await target.sql("SELECT string_agg(id::text, ',' ORDER BY id) FROM t") == "1,2,3")
        }
    }

    @Test func aStopThatCutsTheLogOffIsNoFailure() async throws {
        try await Target.run("CREATE TABLE t (id int PRIMARY KEY)") { target in
            // A row is there already, so that the range comes from the log; the stop ends that before its first batch.
            try await target.sql("INSERT INTO t VALUES (1)")
            let log = Log([try InterruptedText(BatchText(stream: target.stream).text, mark: "@", target)])
            let whole = text(target, "", "", transactions: 2)
            let applied = try await target.apply(whole, stopping: "COMMIT;", options: ApplyOptions(log: log))
            #expect(applied.outcome == .stopped(BatchText.lsn(100)), "\(applied.error?.description ?? "")")
            #expect(try await target.sql("SELECT count(*) FROM t") == "1")
            // Without a stop such a log is an error.
            let again = try await target.apply(
                whole, options: ApplyOptions(log: Log([try InterruptedText("", mark: "@", target)])))
            #expect(again.error?.code == .inputEndedEarly)
        }
    }
}
