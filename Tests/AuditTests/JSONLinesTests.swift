import Postgres
import Spool
import TestSupport
import Testing

/// `transform --format jsonl`: the lines of `inspect show --changes --json`, and where transactions end.
@Suite(.timeLimit(.minutes(5))) struct JSONLinesTests {
    private let log: TestLog
    private let spool: String

    /// Two sealed segments, then an open one whose last transaction has no end.
    init() throws {
        log = try TestLog()
        spool = log.spool.path
        let t = Wire.relation(1, "t", ["id*", "v"])
        let u = Wire.relation(2, "u", ["id*"])
        try log.transaction(
            1, xid: 700,
            [t, Wire.insert(1, ["1", "a\n\"\u{1B}é"]), Wire.insert(1, ["2", nil]), u, Wire.insert(2, ["9"])])
        try log.transaction(2, xid: 701, [Wire.insert(2, ["10"])])
        try log.seal()
        try log.transaction(
            3, xid: 702,
            [
                t, Wire.update(1, key: ["1", nil], ["3", .unchanged]), Wire.delete(1, key: ["2", nil]),
                Wire.truncate([1]), Wire.insert(1, [.text([0xFF]), .binary([0, 255])]),
            ])
        try log.seal()
        try log.transaction(4, xid: 703, [t, Wire.insert(1, ["4", "four"])])
        try log.chunk([Wire.begin(0x14F8, time: 65_000_000, xid: 704), Wire.insert(1, ["5", "five"])], at: 0x1400)
    }

    private func lines(_ program: String, _ arguments: [String]) async throws -> [String] {
        try await Program.run(program, arguments).checked(program).outputLines
    }

    private func transform(_ arguments: String...) async throws -> [String] {
        try await lines("transform", ["-q", "--format", "jsonl", spool] + arguments)
    }

    private func inspect(_ arguments: String...) async throws -> [String] {
        try await lines("inspect", ["show", "--changes", "--json", spool] + arguments)
    }

    private static func isChange(_ line: String) -> Bool { line.contains("\"operation\":") }

    @Test func changesAreThoseOfInspect() async throws {
        let all = try await transform()
        #expect(all.filter { Self.isChange($0) || $0.contains("unfinished") } == (try await inspect()))
        #expect(
            all.filter { !Self.isChange($0) } == [
                #"{"transaction":"0/10F8","time":"2000-01-01 00:00:01.000000+00","xid":700,"changes":3,"commit":"0/1100"}"#,
                #"{"transaction":"0/11F8","time":"2000-01-01 00:00:02.000000+00","xid":701,"changes":1,"commit":"0/1200"}"#,
                #"{"transaction":"0/12F8","time":"2000-01-01 00:00:03.000000+00","xid":702,"changes":4,"commit":"0/1300"}"#,
                #"{"transaction":"0/13F8","time":"2000-01-01 00:00:04.000000+00","xid":703,"changes":1,"commit":"0/1400"}"#,
                #"{"transaction":"0/14F8","xid":704,"unfinished":true}"#,
                #"{"end":"0/1400","reason":"input-end"}"#,
            ])
        for filter in [["--table", "t"], ["--operation", "delete,truncate"], ["--exclude-table", "public.t"]] {
            let filtered = try await lines("transform", ["-q", "--format", "jsonl", spool] + filter)
            let shown = try await lines("inspect", ["show", "--changes", "--json", spool] + filter)
            #expect(filtered.filter(Self.isChange) == shown.filter(Self.isChange), "\(filter)")
            // A transaction of which nothing is shown is not mentioned.
            #expect(filtered.count < all.count, "\(filter)")
        }
    }

    @Test func aReaderGoesOnAtTheLastCommit() async throws {
        let all = try await transform()
        #expect(try await transform("--to", "0/1200") == all.prefix(6) + [#"{"end":"0/1200","reason":"to"}"#])
        #expect(try await transform("--from", "0/1200") == Array(all[6...]))
        #expect(try await transform("--from", "0/1200", "--to", "0/1300").count == 6)
        let early = try await Program.run("transform", ["-q", "--format", "jsonl", spool, "--to", "0/9999"])
        #expect(early.exitCode == 14 && !early.output.contains("\"end\""))
        let gone = try await Program.run("transform", ["-q", "--format", "jsonl", spool, "--from", "0/10"])
        #expect(gone.exitCode == 10)
    }

    /// What lies past the wanted end in the same chunk was not written, and is not said to be.
    @Test func theEndMarkLiesNotPastWhatWasWritten() async throws {
        let log = try TestLog()
        try log.transactions(1...3) { [Wire.relation(1, "t", ["id*"]), Wire.insert(1, [.text(Array("\($0)".utf8))])] }
        for (to, commits) in [(1, 1), (2, 2), (3, 3)] {
            let end = TestLog.end(to)
            let found = try await lines(
                "transform", ["-q", "--format", "jsonl", log.spool.path, "--to", "\(end)"])
            #expect(found.last == #"{"end":"\#(end)","reason":"to"}"#)
            #expect(found.filter { $0.contains("\"commit\":") }.count == commits)
        }
        let from = try await lines(
            "transform", ["-q", "--format", "jsonl", log.spool.path, "--from", "0/1100", "--to", "0/1180"])
        #expect(from == [#"{"end":"0/1180","reason":"to"}"#])
    }

    @Test func excludedColumnsAreNotShown() async throws {
        let filtered = try await transform("--exclude-column", "public.t.v")
        #expect(filtered.filter(Self.isChange) == (try await inspect("--exclude-column", "t.v")).filter(Self.isChange))
        #expect(
            !filtered.contains { $0.contains("\"v\"") } && filtered.contains { $0.contains("\"after\":{\"id\":\"1\"}") }
        )
        let found = try await Program.run("inspect", ["grep", spool, "-e", "four", "--exclude-column", "t.v"])
        #expect(found.exitCode == 1, "what is left out is not searched")
        for program in [["transform", "-q", "--format", "jsonl"], ["transform", "-q"], ["inspect", "show"]] {
            let key = try await Program.run(program[0], program.dropFirst() + [spool, "--exclude-column", "t.id"])
            #expect(key.exitCode == 2 && key.stderr.contains("column \"id\" of table public.t"), "\(key)")
        }
    }

    @Test func tablesAreRenamed() async throws {
        let renamed = try await transform("--map", "public.t=sales.orders", "--table", "public.t")
        #expect(renamed.filter { $0.contains(#""schema":"sales","table":"orders""#) }.count == 8)
        #expect(!renamed.contains { $0.contains(#""table":"t""#) })
        #expect(renamed.contains { $0.contains(#""tables":[{"schema":"sales","table":"orders"}]"#) })
    }

    @Test func aMissingSegmentIsAGap() async throws {
        let finished = try await Program.run(
            "transform",
            ["-q", "--format", "jsonl", log.path(log.names[0]), log.path("00000001-0000000000001300.seg.lz4.partial")])
        #expect(finished.exitCode == 10, "\(finished)")
        #expect(finished.stderr.contains("a segment is missing"))
    }
}
