import Batches
import Postgres
import Testing

/// Transactions that are cut off, sent again, or larger than a batch.
@Suite struct ResumeTests {
    @Test func aCutOffTransactionIsDiscarded() throws {
        let it = try Rendering()
        try it.transaction(0x100, Build.simple, Build.insert(1, ["1", "a"]), Build.insert(1, ["2", "b"]))
        try it.feed(Build.begin(0x200), Build.insert(1, ["3", "lost"]), Build.delete(1, key: ["1", nil]))
        try it.transaction(0x200, Build.insert(1, ["3", "kept"]))
        let text = try it.statements().joined()
        #expect(!text.contains("lost") && !text.contains("DELETE"))
        #expect(text.contains("('1','a'),('2','b')") && text.contains("('3','kept')"))
    }

    @Test(arguments: [1, 6, 7, 8, 20], [1, 7, 20]) func aCutOffRunKeepsTheRowsBefore(before: Int, after: Int) throws {
        let it = try Rendering()
        try it.feed(Build.begin(0x100), Build.simple)
        for row in 0..<before { try it.feed(Build.insert(1, [.text("\(row)"), "kept"])) }
        try it.feed(Build.commit(0x100, end: 0x108), Build.begin(0x200))
        for row in 0..<after { try it.feed(Build.insert(1, [.text("\(row)"), "lost"])) }
        try it.transaction(0x200, Build.insert(1, ["x", "kept"]))
        let text = try it.statements().joined(separator: "\n")
        #expect(!text.contains("lost"))
        #expect(text.matches(of: /kept/).count == before + 1)
        #expect(text.contains("-- rows:\(before + 1)"))
    }

    @Test func aTransactionSentAgainIsDropped() throws {
        let it = try Rendering()
        try it.transaction(0x100, Build.simple, Build.insert(1, ["1", "a"]))
        try it.transaction(0x100, Build.insert(1, ["1", "a"]))
        #expect(try it.statements().count == 1)
        try it.transaction(0x100, Build.insert(1, ["1", "a"]))
        #expect(try it.statements().count == 1)
    }

    @Test func aLargeTransactionIsABatchOfItsOwn() throws {
        let it = try Rendering(RenderOptions(order: .source, maxBytes: 300))
        try it.transaction(0x100, Build.simple, Build.insert(1, ["0", "before"]))
        try it.feed(Build.begin(0x200))
        for row in 1...9 { try it.feed(Build.update(1, [.text("\(row)"), .text(String(repeating: "x", count: 50))])) }
        let early = it.sink.text
        #expect(early.contains("{\"from\":\"0/108\",\"to\":null,\"commit\":\"0/200\",\"transactions\":1,"))
        #expect(early.contains("\nWITH held AS (SELECT FROM ") && !early.contains("0/208"))
        try it.feed(Build.commit(0x200, end: 0x208))
        let body = try it.body()
        let move = "WITH moved AS (UPDATE \"walrelay\".\"progress\" SET position = '0/208', "
        #expect(body.dropLast(2).last?.hasPrefix(move) == true)
        #expect(Array(body.suffix(2)) == ["COMMIT;", "-- walrelay commit {\"to\":\"0/208\"}"])
        #expect(body.filter { $0.hasPrefix("UPDATE") }.count == 9)
    }

    @Test func aLargeTransactionWithoutRowsStillMovesThePosition() throws {
        let it = try Rendering(RenderOptions(order: .source, maxBytes: 100))
        let message = Build.message("p", Array(String(repeating: "m", count: 90).utf8))
        try it.transaction(0x200, message, message)
        #expect(try it.body().filter { $0.hasPrefix("WITH moved AS ") }.count == 1)
    }

    @Test func aLargeTransactionCutOffIsRolledBack() throws {
        let it = try Rendering(RenderOptions(order: .source, maxBytes: 100))
        try it.feed(Build.begin(0x200), Build.simple)
        for row in 1...3 { try it.feed(Build.update(1, [.text("\(row)"), .text(String(repeating: "x", count: 90))])) }
        try it.transaction(0x200, Build.update(1, ["1", "again"]))
        let body = try it.body()
        let rollback = try #require(body.firstIndex(of: "ROLLBACK;"))
        #expect(body[rollback + 1] == "-- walrelay rollback {}")
        #expect(body[rollback + 2].contains("{\"from\":\"0/10\",\"to\":\"0/208\""))
        #expect(body.filter { $0 == "BEGIN;" }.count == 2)
    }

    @Test func aChangeOutsideATransactionIsAnError() throws {
        let it = try Rendering()
        try it.feed(Build.simple)
        let error = #expect(throws: BatchError.self) { try it.feed(Build.insert(1, ["1", "a"])) }
        #expect(error?.code == .unexpectedMessage)
    }
}
