import Batches
import Postgres
import Testing

@Suite struct FramingTests {
    @Test func aBatchIsFramedAsDocumented() throws {
        let it = try Rendering()
        try it.transaction(0x100, Build.simple, Build.insert(1, ["1", "a"]))
        try it.transaction(0x200, Build.delete(1, key: ["1", nil]))
        let zero = "2000-01-01 00:00:00.000000+00"
        #expect(
            try it.body() == [
                "-- walrelay batch {\"from\":\"0/10\",\"to\":\"0/208\",\"transactions\":2,\"changes\":2,"
                    + "\"committed_at\":\"\(zero)\"}",
                "BEGIN;",
                "WITH moved AS (UPDATE \"walrelay\".\"progress\" SET position = '0/208', timeline = 1, committed_at = "
                    + "'\(zero)', applied_at = pg_catalog.clock_timestamp() WHERE stream OPERATOR(pg_catalog.=) "
                    + "'walrelay' AND lane OPERATOR(pg_catalog.=) 0 AND log_id IS NULL AND position "
                    + "OPERATOR(pg_catalog.=) '0/10' RETURNING 1) SELECT CASE WHEN pg_catalog.count(*) "
                    + "OPERATOR(pg_catalog.=) 1 THEN 1 ELSE CAST(pg_catalog.concat('walrelay: this batch continues from "
                    + "0/10 but the target is at ', coalesce((SELECT p.position FROM \"walrelay\".\"progress\" AS p "
                    + "WHERE p.stream OPERATOR(pg_catalog.=) 'walrelay' AND p.lane OPERATOR(pg_catalog.=) 0)"
                    + "::pg_catalog.text, 'no position')) AS pg_catalog.int4) END AS moved FROM moved;",
                "INSERT INTO \"public\".\"t\" (\"id\",\"v\") OVERRIDING SYSTEM VALUE VALUES ('1','a'); -- rows:1",
                "DELETE FROM \"public\".\"t\" WHERE \"id\" = '1'; -- rows:1",
                "COMMIT;",
                "-- walrelay commit {\"to\":\"0/208\"}",
            ])
        #expect(it.renderer.position == LSN(rawValue: 0x208))
    }

    @Test func thePreambleEndsSessionsAtTheFirstError() throws {
        let lines = try Rendering().sink.text.split(separator: "\n").map(String.init)
        #expect(
            lines.first
                == "-- walrelay preamble {\"format\":2,\"stream\":\"walrelay\",\"encoding\":\"UTF8\","
                + "\"system_identifier\":\"7\",\"timeline\":1,\"database\":\"app\",\"slot\":\"s\","
                + "\"server_version\":150018,\"from\":\"0/10\",\"order\":\"source\",\"tool\":\"walrelay\"}")
        #expect(lines[1] == "SET exit_on_error = on;")
        #expect(lines.contains("SET search_path = '';"))
        #expect(lines.last == "-- walrelay preamble end")
    }

    @Test func batchesChain() throws {
        let it = try Rendering(RenderOptions(maxChanges: 1))
        try it.transaction(0x100, Build.simple, Build.insert(1, ["1", "a"]))
        try it.transaction(0x200, Build.insert(1, ["2", "b"]))
        let headers = try it.body().filter { $0.hasPrefix("-- walrelay batch") }
        #expect(headers.count == 2)
        #expect(headers.last?.contains("\"from\":\"0/108\",\"to\":\"0/208\"") == true)
    }

    @Test func theEndTakesTheTargetToItsPosition() throws {
        let it = try Rendering()
        try it.transaction(0x100)
        try it.renderer.end(at: LSN(rawValue: 0x400), reason: "endpos")
        let body = try it.body()
        #expect(body.first?.contains("\"from\":\"0/10\",\"to\":\"0/400\",\"transactions\":1,\"changes\":0") == true)
        #expect(body.last == "-- walrelay end {\"to\":\"0/400\",\"reason\":\"endpos\"}")
    }

    @Test func noMarkerWhenTheLastCommitIsTheEnd() throws {
        let it = try Rendering()
        try it.transaction(0x100, Build.simple, Build.insert(1, ["1", "a"]))
        try it.renderer.end(at: LSN(rawValue: 0x108), reason: "endpos")
        #expect(try it.body().filter { $0 == "BEGIN;" }.count == 1)
    }

    @Test func emptyTransactionsWait() throws {
        let it = try Rendering()
        try it.transaction(0x100)
        #expect(try it.body().isEmpty)
        try it.transaction(0x200, Build.simple, Build.insert(1, ["1", "a"]))
        #expect(try it.body().first?.contains("\"from\":\"0/10\",\"to\":\"0/208\",\"transactions\":2") == true)
    }

    @Test func idleInsideATransactionWritesWhatIsComplete() throws {
        let it = try Rendering()
        try it.transaction(0x100, Build.simple, Build.insert(1, ["1", "a"]))
        try it.feed(Build.begin(0x200), Build.insert(1, ["2", "b"]))
        #expect(try it.statements().map(\.count).count == 1)
        try it.feed(Build.commit(0x200, end: 0x208))
        #expect(try it.statements().count == 2)
    }

    @Test func fromAndToLimitWhatIsWritten() throws {
        let options = RenderOptions(from: LSN(rawValue: 0x108), to: LSN(rawValue: 0x208))
        let it = try Rendering(options)
        try it.transaction(0x100, Build.simple, Build.insert(1, ["1", "a"]))
        #expect(!it.renderer.hasReachedEnd)
        try it.transaction(0x200, Build.insert(1, ["2", "b"]))
        #expect(it.renderer.hasReachedEnd)
        try it.transaction(0x300, Build.insert(1, ["3", "c"]))
        let statements = try it.statements()
        #expect(statements.count == 1 && statements[0].contains("('2','b')"))
    }

    @Test func aStartBeforeTheLogIsAGap() throws {
        let it = try Rendering(RenderOptions(from: LSN(rawValue: 1)), starts: false)
        #expect(throws: BatchError.self) { try it.renderer.start(Rendering.identity) }
    }

    @Test func anotherSourceIsRefused() throws {
        let it = try Rendering()
        var other = Rendering.identity
        try it.renderer.start(other)
        other.systemIdentifier = "8"
        let error = #expect(throws: BatchError.self) { try it.renderer.start(other) }
        #expect(error?.code == .foreignStream)
    }

    @Test func aMissingSegmentIsAGap() throws {
        let it = try Rendering()
        var later = Rendering.identity
        later.start = LSN(rawValue: 0x900)
        let error = #expect(throws: BatchError.self) { try it.renderer.start(later) }
        #expect(error?.code == .gap)
    }

    @Test func aReaderThatHasNothingToDoGetsAQuarterOfABatch() throws {
        let it = try Rendering(RenderOptions(maxChanges: 8))
        try it.transaction(0x100, Build.simple, Build.insert(1, ["1", "a"]))
        let before = it.sink.bytes.count
        try it.renderer.readerIdle()
        #expect(it.sink.bytes.count == before, "one change is not worth it")
        // An open transaction has to wait for its commit.
        try it.feed(Build.begin(0x200), Build.insert(1, ["2", "b"]))
        try it.renderer.readerIdle()
        #expect(it.sink.bytes.count == before)
        try it.feed(Build.commit(0x200, end: 0x208))
        try it.renderer.readerIdle()
        #expect(it.sink.text.hasSuffix("-- walrelay commit {\"to\":\"0/208\"}\n"))
        #expect(it.renderer.statistics.batches == 1)
    }
}
