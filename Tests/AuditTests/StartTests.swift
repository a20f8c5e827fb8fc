import Postgres
import Spool
import TestSupport
import Testing

/// `transform --from` and the end of the log.
@Suite(.timeLimit(.minutes(5))) struct StartTests {
    private static let formats = [[], ["--jobs", "2"], ["--format", "jsonl"]]

    private func row(_ number: Int) -> [[UInt8]] {
        [Wire.relation(1, "t", ["id*"]), Wire.insert(1, [.text(Array("row-\(number)".utf8))])]
    }

    private func transform(_ paths: [String], _ more: [String]) async throws -> Finished {
        try await Program.run("transform", ["-q"] + paths + more)
    }

    @Test(arguments: formats) func aStartBeyondTheEndIsAGap(_ format: [String]) async throws {
        let log = try TestLog()
        for number in 1...2 { try log.transaction(number, row(number)) }
        try log.seal()
        let sealed = log.path(log.names[0])
        for isOpen in [false, true] {
            if isOpen { try log.transaction(3, row(3)) }
            let end = TestLog.end(isOpen ? 3 : 2)
            let files = [sealed] + (isOpen ? [log.path("00000001-0000000000001200.seg.lz4.partial")] : [])
            for paths in [[log.spool.path], files] {
                for more in [[], ["--to", "0/1800"], ["--to", "0/1700"]] {
                    let finished = try await transform(paths, format + ["--from", "0/1700"] + more)
                    #expect(finished.exitCode == 10, "\(finished)")
                    #expect(finished.stderr.contains("0/1700") && finished.stderr.contains("\(end)"), "\(finished)")
                    let hasEnd = finished.output.contains("walrelay end") || finished.output.contains("\"end\"")
                    #expect(!hasEnd, "nothing says that the stream ends here: \(finished)")
                }
                let atEnd = try await transform(paths, format + ["--from", "\(end)"])
                #expect(atEnd.exitCode == 0 && atEnd.output.contains("\(end)"), "\(atEnd)")
                #expect(try await transform(paths, format + ["--from", "\(end)", "--to", "0/1700"]).exitCode == 14)
            }
        }
    }

    /// A server's own position may lie after the header of the page at whose beginning the log ends.
    @Test(arguments: formats) func aStartAtAPageBoundary(_ format: [String]) async throws {
        let log = try TestLog()
        // It ends at 0/2000.
        try log.transaction(16, row(1))
        for (from, code) in [("0/2000", 0), ("0/2018", 0), ("0/2028", 0), ("0/2030", 10), ("0/4018", 10)] {
            let finished = try await transform([log.spool.path], format + ["--from", from])
            #expect(finished.exitCode == Int32(code), "\(from): \(finished)")
        }
    }

    @Test func aFollowedLogIsWaitedFor() async throws {
        let log = try TestLog()
        try log.transaction(1, row(1))
        let waiting = try Program.startShell(
            "exec transform --follow \"$LOG\" --format jsonl --from 0/1200 --to 0/1300",
            environment: ["LOG": log.spool.path])
        try log.transaction(2, row(2))
        try log.transaction(3, row(3))
        let finished = try await waiting.wait().checked("transform")
        #expect(finished.output.contains("row-3") && !finished.output.contains("row-2"), "\(finished)")
    }
}
