import Audit
import Batches
import LogRendering
import PgOutput
import Postgres
import Spool
import TestSupport
import Testing

/// All that read the log find the same transactions in it, and refuse the same logs.
@Suite(.timeLimit(.minutes(5))) struct OneReaderTests {
    /// Keeps where batches end.
    private final class Ends: BatchSink {
        private(set) var ends: [LSN] = []
        func write(_ bytes: UnsafeRawBufferPointer) {}
        func flush() {}
        func completed(to end: LSN) { if ends.last != end { ends.append(end) } }
    }

    private enum Reader: CaseIterable {
        case walker, slice, renderer, parallel, indexer
    }

    /// The log of one segment that begins at 0x1000, from messages.
    private func log(_ messages: [[UInt8]]) -> ChunkBuffer {
        let buffer = ChunkBuffer(capacity: 64 << 10)
        let start = LSN(rawValue: 0x1000)
        let header = SegmentHeader(
            systemIdentifier: "7001", timeline: 1, database: "app", slot: "relay", pluginOptions: [:],
            publications: ["all"], serverVersion: 150_000, encoding: "UTF8", start: start, previous: nil, tool: "tests")
        buffer.append(.header, lsn: start, payload: JSON.encode(header))
        for message in messages { buffer.append(.change, lsn: start, payload: message) }
        return buffer
    }

    /// The positions of the transactions that a reader finds in a range.
    private func ends(_ reader: Reader, _ log: ChunkBuffer, _ range: CommitRange) throws -> [LSN] {
        try withExtendedLifetime(log) {
            let chunk = Chunk(bytes: log.bytes, file: "log", offset: 0)
            let sink = Ends()
            let options = RenderOptions(maxChanges: 1, from: range.from, to: range.to)
            switch reader {
            case .walker: return try walked(chunk, range)
            case .slice:
                var slice = LogSlice(range.logRange)
                var bytes: [UInt8] = []
                try slice.take(chunk, .records) { bytes += $0 }
                return try bytes.withUnsafeBytes {
                    try walked(Chunk(bytes: $0, file: "slice", offset: 0), CommitRange())
                }
            case .renderer:
                let renderer = LogRenderer(options: options, sink: sink)
                try renderer.consume(chunk)
                try renderer.renderer.inputIdle()
            case .parallel:
                let renderer = try ParallelRenderer(options: options, jobs: 2, sink: sink)
                try renderer.consume(chunk)
                try renderer.finish()
            case .indexer:
                var indexer = SegmentIndexer(start: LSN(rawValue: 0x1000))
                try indexer.consume(chunk)
                return []
            }
            return sink.ends
        }
    }

    private func walked(_ chunk: Chunk, _ range: CommitRange) throws -> [LSN] {
        var walker = LogWalker(range: range.logRange)
        var ends: [LSN] = []
        let visit: (LogEvent) -> Void = { if case .commit(let commit, _) = $0 { ends.append(commit.endLSN) } }
        try walker.take(chunk, .records, visit: visit)
        try walker.finish(visit: visit)
        return ends
    }

    private func begin(_ number: Int) -> [UInt8] {
        Wire.begin(TestLog.end(number).rawValue - 8, time: Int64(number), xid: UInt32(number))
    }

    private func commit(_ number: Int) -> [UInt8] {
        let end = TestLog.end(number).rawValue
        return Wire.commit(end - 8, end: end, time: Int64(number))
    }

    private func transaction(_ number: Int) -> [[UInt8]] {
        [begin(number), Wire.insert(1, [.text(Array("\(number)".utf8)), "x"]), commit(number)]
    }

    private let table = Wire.relation(1, "t", ["id*", "v"])

    /// Transactions that were cut off and came again, repeats, and one that has no end.
    private var messages: [[UInt8]] {
        var all = [begin(1), table] + transaction(1).dropFirst()
        all += transaction(2) + transaction(1) + transaction(2)
        all += transaction(3).dropLast() + transaction(3)
        all += transaction(4) + transaction(5) + transaction(4) + transaction(6) + transaction(7).dropLast()
        return all
    }

    @Test func theyFindTheSameTransactions() throws {
        let log = log(messages)
        let bounds: [LSN?] = [nil] + (0...7).map { TestLog.end($0) }
        for from in bounds {
            for to in bounds where from ?? .zero <= to ?? LSN(rawValue: .max) {
                let expected = (1...6).map { TestLog.end($0) }.filter {
                    $0 > from ?? .zero && $0 <= to ?? LSN(rawValue: .max)
                }
                for reader in [Reader.walker, .slice, .renderer, .parallel] {
                    let found = try ends(reader, log, CommitRange(from: from, to: to))
                    #expect(found == expected, "\(reader) \(from ?? .zero)–\(to ?? .zero)")
                }
            }
        }
    }

    @Test func anEndInsideACommitRecordLeavesTheTransactionOut() throws {
        let to = LSN(rawValue: TestLog.end(3).rawValue - 4)
        for reader in [Reader.walker, .slice, .renderer, .parallel] {
            let found = try ends(reader, log(messages), CommitRange(to: to))
            #expect(found == [TestLog.end(1), TestLog.end(2)], "\(reader)")
        }
    }

    @Test func aStartInsideACommitRecordIsRefused() {
        let from = LSN(rawValue: TestLog.end(3).rawValue - 4)
        for reader in [Reader.walker, .slice, .renderer, .parallel] {
            let error = #expect(throws: (any Error).self, "\(reader)") {
                try ends(reader, log(messages), CommitRange(from: from))
            }
            #expect("\(error.map { "\($0)" } ?? "")".contains("lies inside the commit record"), "\(reader)")
        }
    }

    /// What one calls damaged, all do, also the one that `inspect verify` asks.
    @Test func theyRefuseTheSameLogs() {
        let end = TestLog.end(1).rawValue
        let first = [begin(1), table] + transaction(1).dropFirst()
        let logs: [(String, [[UInt8]])] = [
            ("a Commit without a Begin", first + [commit(2)]),
            ("two Commits", first + [commit(1)]),
            ("the Commit of another", first + [begin(2), commit(3)]),
            ("a Commit that ends before it begins", first + [begin(2), Wire.commit(end + 0xF8, end: end, time: 1)]),
            (
                "a Commit around the end of the last one",
                first + [Wire.begin(end - 4, time: 1, xid: 9), Wire.commit(end - 4, end: end + 4, time: 1)]
            ),
        ]
        for (name, messages) in logs {
            for reader in Reader.allCases {
                #expect(throws: (any Error).self, "\(reader): \(name)") {
                    try ends(reader, log(messages), CommitRange())
                }
            }
        }
    }
}

extension CommitRange {
    fileprivate var logRange: LogRange {
        LogRange(from: from.map { .position($0) }, to: to.map { .position($0) })
    }
}
