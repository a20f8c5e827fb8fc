import Apply
import Batches
import Postgres
import TestSupport
import Testing

/// The applier against a real server: what is applied, what is skipped, and what an error leaves behind.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct ApplierTests {
    private static let schema = "CREATE TABLE t (id int PRIMARY KEY, v text)"
    private static let rows = "SELECT string_agg(id::text, ',' ORDER BY id) FROM t"

    private func insert(_ id: Int) -> String { "INSERT INTO \"public\".\"t\" (\"id\") VALUES (\(id)); -- rows:1" }

    @Test func appliesOnceAndSkipsAfterwards() async throws {
        try await Target.run(Self.schema) { target in
            var text = BatchText(stream: target.stream)
            text.batch(100, 200, insert(1), insert(2))
            text.streamed(200, commit: 250, to: 260, insert(3))
            var first = text
            first.end(260)
            let once = try await target.apply(first.text)
            #expect(once.outcome == .reachedEnd(BatchText.lsn(260)))
            #expect(once.statistics.batchesApplied == 2)
            #expect(once.statistics.rows == 3)
            #expect(try await target.position() == BatchText.lsn(260))

            text.batch(260, 300, insert(4))
            text.end(300)
            let again = try await target.apply(text.text)
            #expect(again.outcome == .reachedEnd(BatchText.lsn(300)))
            #expect(again.statistics.batchesSkipped == 2)
            #expect(again.statistics.batchesApplied == 1)
            #expect(try await target.sql(Self.rows) == "1,2,3,4")
        }
    }

    @Test func refusesWhatDoesNotFitThePosition() async throws {
        try await Target.run(Self.schema) { target in
            var text = BatchText(stream: target.stream)
            text.batch(100, 200, insert(1))
            text.end(200)
            let first = try await target.apply(text.text)
            #expect(first.error == nil)

            var straddling = BatchText(stream: target.stream)
            straddling.batch(150, 300, insert(2))
            let inside = try await target.apply(straddling.text)
            #expect(inside.error?.code == .straddling)
            #expect(inside.error?.message.contains("transform --from 0/C8") == true)

            var streamed = BatchText(stream: target.stream)
            streamed.streamed(150, commit: 200, to: 208, insert(2))
            #expect(try await target.apply(streamed.text).error?.code == .straddling)

            var gap = BatchText(stream: target.stream)
            gap.batch(201, 300, insert(2))
            #expect(try await target.apply(gap.text).error?.code == .gap)

            var early = BatchText(stream: target.stream)
            early.end(300)
            #expect(try await target.apply(early.text).error?.code == .gap)
            #expect(try await target.sql(Self.rows) == "1")
            #expect(try await target.position() == BatchText.lsn(200))
        }
    }

    @Test(arguments: [
        "UPDATE \"public\".\"t\" SET \"v\" = 'x' WHERE \"id\" = 99; -- rows:1",
        "DELETE FROM \"public\".\"t\" WHERE \"id\" IN (1, 2); -- rows:1",
        "COPY \"public\".\"t\" (\"id\") FROM stdin; -- rows:3\n20\n21\n\\.",
    ])
    func anotherRowCountRollsBack(_ line: String) async throws {
        try await Target.run(Self.schema + "; INSERT INTO t VALUES (1), (2)") { target in
            var text = BatchText(stream: target.stream)
            text.batch(100, 200, insert(3))
            text.batch(200, 300, insert(4), line, insert(5))
            text.end(300)
            let applied = try await target.apply(text.text)
            #expect(applied.error?.code == .rowCountMismatch)
            #expect(applied.error?.table == "\"public\".\"t\"")
            #expect(applied.error?.batch == "0/C8 to 0/12C")
            #expect(try await target.sql(Self.rows) == "1,2,3")
            #expect(try await target.position() == BatchText.lsn(200))
        }
    }

    @Test(arguments: [ApplyOptions.Mismatch.error, .skip])
    func aPositionThatDoesNotMoveIsAnError(_ onMismatch: ApplyOptions.Mismatch) async throws {
        let options = ApplyOptions(onMismatch: onMismatch)
        try await Target.run(Self.schema) { target in
            var text = BatchText(stream: target.stream)
            text.batch(100, 200, insert(1))
            text.end(200)
            #expect(try await target.apply(text.text, options: options).error == nil)
            // Someone else moves it between the batches.
            try await target.sql(
                """
                CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS
                  'BEGIN UPDATE walrelay.progress SET position = position + 1; RETURN NULL; END';
                CREATE TRIGGER meddle AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION meddle();
                ALTER TABLE t ENABLE ALWAYS TRIGGER meddle
                """)
            text = BatchText(stream: target.stream, from: 200)
            text.batch(200, 300, insert(2))
            text.end(300)
            let refused = try await target.apply(text.text, options: options)
            #expect(refused.error?.code == .positionMoved)
            #expect(try await target.sql(Self.rows) == "1")
            #expect(try await target.position() == BatchText.lsn(200))
        }
    }

    @Test func aStopEndsBetweenBatchesAndFinishesNone() async throws {
        try await Target.run(Self.schema) { target in
            var text = BatchText(stream: target.stream)
            text.batch(100, 200, insert(1))
            text.begin(200, 300)
            text.line(insert(2))
            var whole = text
            text.line("-- here")
            text.line(insert(3))
            text.commit(300)
            text.batch(300, 400, insert(4))
            text.end(400)
            // Bytes that have come are applied to the end of their batch.
            let between = try await target.apply(text.text, stopping: "-- here")
            #expect(between.outcome == .stopped(BatchText.lsn(300)))
            #expect(try await target.sql(Self.rows) == "1,2,3")

            // Where the input ends in the middle of one, that one is undone.
            whole = BatchText(stream: target.stream)
            whole.begin(300, 400)
            whole.line(insert(4))
            whole.line("-- here")
            let inside = try await target.apply(whole.text, stopping: "-- here")
            #expect(inside.outcome == .stopped(BatchText.lsn(300)))
            #expect(try await target.sql(Self.rows) == "1,2,3")
            #expect(try await target.apply(whole.text).error?.code == .inputEndedEarly)
            #expect(try await target.apply(text.text).outcome == .reachedEnd(BatchText.lsn(400)))
            #expect(try await target.sql(Self.rows) == "1,2,3,4")
        }
    }

    @Test func aRollbackLineUndoesItsBatch() async throws {
        try await Target.run(Self.schema) { target in
            var text = BatchText(stream: target.stream)
            text.begin(100, 200)
            text.line(insert(1))
            text.line("COPY \"public\".\"t\" (\"id\") FROM stdin; -- rows:1\n7\n\\.")
            text.rollback()
            text.batch(100, 200, insert(2))
            text.end(200)
            let applied = try await target.apply(text.text)
            #expect(applied.outcome == .reachedEnd(BatchText.lsn(200)))
            #expect(try await target.sql(Self.rows) == "2")
        }
    }

    @Test func aFailureInTheMiddleOfACopyRollsBack() async throws {
        try await Target.run(Self.schema) { target in
            // Enough data that the server refuses while more is being sent.
            var data = (1...200_000).map(String.init)
            data[100_000] = "not a number"
            var text = BatchText(stream: target.stream)
            text.batch(100, 200, insert(-1))
            text.batch(
                200, 300,
                "COPY \"public\".\"t\" (\"id\") FROM stdin; -- rows:200000\n"
                    + data.joined(separator: "\n") + "\n\\.", insert(-2))
            text.end(300)
            let applied = try await target.apply(text.text)
            #expect(applied.error?.code == .server)
            #expect(applied.error?.table == "\"public\".\"t\"")
            #expect(applied.error?.cause?.sqlState?.rawValue == "22P02")
            #expect(try await target.sql(Self.rows) == "-1")

            data[100_000] = "0"
            text = BatchText(stream: target.stream, from: 200)
            text.begin(200, 300)
            text.line(
                "COPY \"public\".\"t\" (\"id\") FROM stdin; -- rows:200000\n" + data.joined(separator: "\n") + "\n\\.")
            text.commit(300)
            text.end(300)
            let stopped = try await target.apply(text.text, stopping: "150000\n")
            #expect(stopped.outcome == .stopped(BatchText.lsn(300)))
            #expect(try await target.sql("SELECT count(*) FROM t") == "200001")
        }
    }

    @Test func linesMayBeHuge() async throws {
        try await Target.run(Self.schema) { target in
            let size = 20 << 20
            let value = String(repeating: "x", count: size)
            var text = BatchText(stream: target.stream)
            text.batch(
                100, 200, "INSERT INTO \"public\".\"t\" (\"id\",\"v\") VALUES (1,'\(value)'); -- rows:1",
                "COPY \"public\".\"t\" (\"id\",\"v\") FROM stdin; -- rows:1\n2\t\(value)\n\\.", insert(3))
            text.end(200)
            let applied = try await target.apply(text.text)
            #expect(applied.outcome == .reachedEnd(BatchText.lsn(200)), "\(applied.error?.description ?? "")")
            #expect(try await target.sql("SELECT sum(length(v)) FROM t") == "\(2 * size)")
        }
    }

    @Test(arguments: [1, 100, 4 << 10, 256 << 10])
    func statementsAreCountedAcrossWhatIsSentTogether(_ sendBytes: Int) async throws {
        try await Target.run(Self.schema) { target in
            var options = ApplyOptions()
            options.sendBytes = sendBytes
            let count = sendBytes < 1000 ? 1500 : 12_000
            var text = BatchText(stream: target.stream)
            text.begin(100, 200)
            for number in 1...count { text.line(insert(number)) }
            text.commit(200)
            var wrong = text
            text.begin(200, 300)
            for number in 1...count {
                text.line("UPDATE \"public\".\"t\" SET \"v\" = 'x' WHERE \"id\" = \(number); -- rows:1")
            }
            text.line("COPY \"public\".\"t\" (\"id\") FROM stdin; -- rows:1\n-1\n\\.")
            text.line("DELETE FROM \"public\".\"t\" WHERE \"id\" > 0; -- rows:\(count)")
            text.commit(300)
            text.end(300)
            let applied = try await target.apply(text.text, options: options)
            #expect(applied.outcome == .reachedEnd(BatchText.lsn(300)), "\(applied.error?.description ?? "")")
            #expect(applied.statistics.rows == 3 * count + 1)
            #expect(try await target.sql(Self.rows) == "-1")

            // A wrong count is found wherever it stands.
            wrong = BatchText(stream: target.stream)
            wrong.begin(300, 400)
            for number in 1...count { wrong.line(insert(number)) }
            wrong.line("DELETE FROM \"public\".\"t\" WHERE \"id\" = \(count / 2); -- rows:2")
            for number in 1...count { wrong.line(insert(-1 - number)) }
            wrong.commit(400)
            #expect(try await target.apply(wrong.text, options: options).error?.code == .rowCountMismatch)
            #expect(try await target.sql(Self.rows) == "-1")
        }
    }

    @Test(arguments: [
        "SELECT 1; SELECT 2;", "", "COPY \"public\".\"t\" TO stdout;", "COPY \"public\".\"t\" FROM stdin;;",
        "INSERT INTO \"public\".\"t\" VALUES (1);\0 garbage;", "ROLLBACK; BEGIN;", "SELECT 'open",
    ])
    func aLineThatIsNoWholeStatementIsRefused(_ line: String) async throws {
        try await Target.run(Self.schema) { target in
            var text = BatchText(stream: target.stream)
            text.batch(100, 200, insert(1))
            text.batch(200, 300, insert(2), line, insert(3))
            text.end(300)
            let applied = try await target.apply(text.text)
            guard !line.isEmpty else {
                #expect(applied.outcome == .reachedEnd(BatchText.lsn(300)))
                return
            }
            #expect(applied.error != nil)
            #expect(try await target.sql(Self.rows) == "1")
            #expect(try await target.position() == BatchText.lsn(200))
        }
    }

    @Test func oneSourceAtATime() async throws {
        try await Target.run(Self.schema) { target in
            var text = BatchText(stream: target.stream)
            text.batch(100, 200, insert(1))
            text.preamble(from: 200)
            text.batch(200, 300, insert(2))
            text.preamble(system: "8", from: 300)
            text.batch(300, 400, insert(3))
            text.end(400)
            let applied = try await target.apply(text.text)
            #expect(applied.error?.code == .foreignStream)
            #expect(try await target.sql(Self.rows) == "1,2")
        }
    }
}
