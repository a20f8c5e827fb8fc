import Audit
import Postgres
import Spool
import TestSupport
import Testing

/// Finding times in a log whose commit times do not rise, and `transform` from and to them.
@Suite(.timeLimit(.minutes(5))) struct TimeTests {
    /// Ten transactions, in parts of one each, of two segments and an open one.
    private static let seconds = [5, 6, 1, 7, 8, 20, 9, 2, 10, 11]
    private let log: TestLog

    init() throws {
        log = try TestLog()
        _ = try log.writeParts(seconds: Self.seconds)
        for number in 11...13 {
            try log.transaction(
                number, second: number + 4,
                [Wire.relation(1, "t", ["id*"]), Wire.insert(1, [.text(Array("\(number)".utf8))])])
            if number == 12 { try log.seal() }
        }
    }

    private var all: [(number: Int, second: Int)] {
        Self.seconds.enumerated().map { ($0 + 1, $1) } + (11...13).map { ($0, $0 + 4) }
    }

    private func time(_ second: Int) -> Timestamp { Timestamp(rawValue: Int64(second) * 1_000_000) }

    @Test func theFirstAtOrAfterAndTheLastAtOrBefore() throws {
        for second in 0...22 {
            let first = all.first { $0.second >= second }
            let place = try LogPlace.find(.time(time(second)), in: log.spool.path)
            #expect(place?.end == first.map { TestLog.end($0.number) }, "from \(second)")
            #expect(place?.previous == first.map { TestLog.end($0.number - 1) }, "from \(second)")
            let last = all.last { $0.second <= second }
            let end = try LogPlace.last(notAfter: time(second), in: log.spool)
            #expect(end?.end == last.map { TestLog.end($0.number) }, "to \(second)")
        }
        for number in 1...13 {
            let place = try LogPlace.find(.position(TestLog.end(number)), in: log.spool.path)
            #expect(place?.previous == TestLog.end(number - 1), "\(number)")
        }
    }

    private func transform(_ arguments: String...) async throws -> [String] {
        let finished = try await Program.run(
            "transform", ["-q", "--max-changes", "1", log.spool.path] + arguments)
        #expect(finished.exitCode == 0, "\(finished.stderr)")
        return finished.outputLines.filter { $0.hasPrefix("-- walrelay commit ") || $0.hasPrefix("-- walrelay end ") }
    }

    private func expected(_ range: ClosedRange<Int>, _ reason: String) -> [String] {
        range.map { "-- walrelay commit {\"to\":\"\(TestLog.end($0))\"}" }
            + ["-- walrelay end {\"to\":\"\(TestLog.end(range.upperBound))\",\"reason\":\"\(reason)\"}"]
    }

    @Test func transformTakesTimes() async throws {
        #expect(try await transform("--from", "2000-01-01 00:00:07") == expected(4...13, "input-end"))
        #expect(try await transform("--to", "2000-01-01 00:00:07") == expected(1...8, "to"))
        #expect(
            try await transform("--from", "2000-01-01 00:00:20", "--to", "2000-01-01 01:00:15+01")
                == expected(6...11, "to"))
        #expect(try await transform("--from", "0/1C00", "--to", "2000-01-02") == expected(13...13, "to"))
        #expect(
            try await transform("--to", "1999-12-31") == ["-- walrelay end {\"to\":\"0/1000\",\"reason\":\"to\"}"])
        #expect(
            try await transform("--from", "2001-01-01")
                == ["-- walrelay end {\"to\":\"0/1D00\",\"reason\":\"input-end\"}"])
        let lines = try await Program.run(
            "transform", ["-q", "--format", "jsonl", log.spool.path, "--from", "2000-01-01 00:00:16"])
        #expect(lines.outputLines.filter { $0.contains("operation") }.count == 8)
        let segment = try await Program.run("transform", ["-q", log.path(log.names[0]), "--from", "2000-01-01"])
        #expect(segment.exitCode == 2)
    }
}
