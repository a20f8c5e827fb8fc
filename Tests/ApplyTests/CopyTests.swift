import Apply
import Batches
import Postgres
import TestSupport
import Testing

/// COPYs of a batch: those whose data is at hand travel with the statements around them, others as they come.
struct CopyTests {
    private static let schema =
        "CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (id int PRIMARY KEY, v text)"
    private static let contents = """
        SELECT (SELECT string_agg(id || v, ',' ORDER BY id) FROM a), (SELECT string_agg(id || v, ',' ORDER BY id) FROM b)
        """

    private func copy(_ table: String, _ rows: [(Int, String)], expecting count: Int? = nil) -> String {
        let lines = rows.map { "\($0.0)\t\($0.1)\n" }.joined()
        return "COPY \"public\".\"\(table)\" (\"id\",\"v\") FROM stdin; -- rows:\(count ?? rows.count)\n\(lines)\\."
    }

    private func update(_ table: String, _ value: String, rows: Int) -> String {
        "UPDATE \"public\".\"\(table)\" SET \"v\" = \"v\" || '\(value)'; -- rows:\(rows)"
    }

    /// All sizes at which a COPY is held back, begun with what was held back, or sent as it comes.
    private static let sizes = [1, 40, 200, 1000, 4 << 10, 1 << 20]

    @Test(arguments: sizes)
    func copiesAreDoneWhereTheyStand(_ sendBytes: Int) async throws {
        try await Target.run(Self.schema) { target in
            var text = BatchText(stream: target.stream)
            text.batch(
                100, 200, copy("a", [(1, "x"), (2, "x")]), update("a", "1", rows: 2), copy("b", []),
                copy("a", [(3, String(repeating: "y", count: 300))]), copy("b", [(1, "z")]), update("a", "2", rows: 3),
                update("b", "3", rows: 1), copy("b", [(2, "w")]))
            text.batch(200, 300, copy("b", [(3, "v")]))
            text.end(300)
            var options = ApplyOptions()
            options.sendBytes = sendBytes
            let applied = try await target.apply(text.text, options: options)
            #expect(applied.outcome == .reachedEnd(BatchText.lsn(300)), "\(applied.error?.description ?? "")")
            #expect(applied.statistics.rows == 2 + 2 + 1 + 1 + 3 + 1 + 1 + 1)
            let long = String(repeating: "y", count: 300)
            #expect(try await target.sql(Self.contents) == "1x12,2x12,3\(long)2|1z3,2w,3v")
        }
    }

    @Test(arguments: sizes)
    func aCopyOfAnotherRowCountIsFoundWhereverItStands(_ sendBytes: Int) async throws {
        try await Target.run(Self.schema + "; INSERT INTO b VALUES (9, '')") { target in
            var options = ApplyOptions()
            options.sendBytes = sendBytes
            for wrong in 0..<3 {
                var text = BatchText(stream: target.stream)
                text.begin(100, 200)
                for number in 0..<3 {
                    text.line(copy("a", [(number, "x")], expecting: number == wrong ? 2 : 1))
                    text.line(update("b", "1", rows: 1))
                }
                text.commit(200)
                let refused = try await target.apply(text.text, options: options)
                #expect(refused.error?.code == .rowCountMismatch && refused.error?.table == "\"public\".\"a\"")
                #expect(try await target.sql(Self.contents) == "|9")
            }
        }
    }

    /// The server's error comes when other COPYs have been read long since.
    @Test(arguments: sizes)
    func theReportNamesTheRowOfTheRightCopy(_ sendBytes: Int) async throws {
        try await Target.run(Self.schema) { target in
            let folder = try TemporaryFolder()
            var options = ApplyOptions()
            options.sendBytes = sendBytes
            options.reportFolder = folder.path
            for wrong in 1...3 {
                var text = BatchText(stream: target.stream)
                text.begin(100, 200)
                for number in 1...3 {
                    let taken = number == wrong ? number * 10 + 1 : number * 10 + 2
                    text.line(copy("a", [(number * 10 + 1, "first\(number)"), (taken, "second\(number)")]))
                }
                text.line(update("a", "1", rows: 6))
                text.commit(200)
                let refused = try await target.apply(text.text, options: options)
                #expect(refused.error?.cause?.sqlState?.rawValue == "23505", "\(refused)")
                let report = String(decoding: try folder.read("replay-failure-0-C8.sql"), as: UTF8.self)
                #expect(report.contains("FROM stdin;\n\(wrong * 10 + 1)\tsecond\(wrong)\n\\.\n"), "\(report)")
                #expect(try await target.sql(Self.contents) == "|")
            }
        }
    }

    /// A batch whose last COPY is not complete is undone, wherever its data is.
    @Test(arguments: sizes)
    func anUnfinishedCopyIsUndone(_ sendBytes: Int) async throws {
        try await Target.run(Self.schema) { target in
            var options = ApplyOptions()
            options.sendBytes = sendBytes
            var text = BatchText(stream: target.stream)
            text.begin(100, 200)
            text.line(copy("a", [(1, "x")]))
            var cut = text
            let rows = (1...100).map { "\($0)\tlonger\n" }.joined()
            cut.line("COPY \"public\".\"b\" (\"id\",\"v\") FROM stdin; -- rows:200\n\(rows)")
            let undone = try await target.apply(cut.text, options: options)
            #expect(undone.error?.code == .inputEndedEarly)
            #expect(try await target.sql(Self.contents) == "|")
            text.commit(200)
            text.end(200)
            #expect(try await target.apply(text.text, options: options).outcome == .reachedEnd(BatchText.lsn(200)))
            #expect(try await target.sql(Self.contents) == "1x|")
        }
    }
}
