import PgOutput
import Postgres
import Spool
import Testing

/// Does what any consumer of the log does: takes whole transactions, drops those that it had, and knows the layouts of
/// each segment.
final class Consumer {
    private(set) var transactions: [Sample.Transaction] = []
    /// All bytes of records, in the order in which they came.
    private(set) var bytes: [UInt8] = []
    private(set) var headers: [SegmentHeader] = []
    private(set) var watermarks: [LSN] = []
    private(set) var hasEnd = false
    /// The last transaction has no commit yet.
    private(set) var isInTransaction = false
    private var pending: [String] = []
    private var layouts: Set<UInt32> = []

    /// How a source came to rest.
    enum Rest { case idle, finished }

    /// Takes everything that there is at present.
    @discardableResult
    func drain(_ source: any ChunkSource) throws -> Rest {
        for _ in 0..<100_000 {
            switch try source.next() {
            case .idle: return .idle
            case .finished: return .finished
            case .chunk(let chunk): try take(chunk)
            }
        }
        Issue.record("the source gives chunks without end")
        return .finished
    }

    private func take(_ chunk: Chunk) throws {
        bytes.append(contentsOf: chunk.bytes)
        var cursor = RecordCursor(chunk)
        while let record = try cursor.next() {
            switch record.kind {
            case .header:
                headers.append(try SegmentHeader(payload: record.payload, file: chunk.file))
                layouts = []
            case .change: try take(Message(decoding: record.payload))
            case .relation: break
            case .watermark: watermarks.append(record.lsn)
            case .end: hasEnd = true
            }
        }
    }

    private func take(_ message: Message) {
        switch message {
        case .begin:
            pending = []
            isInTransaction = true
        case .relation(let relation): layouts.insert(relation.id)
        case .insert(let relation, let new):
            #expect(layouts.contains(relation), "the layout must stand in the segment before its first use")
            var cursor = new.columns
            if case .text(let text) = cursor.next() { pending.append(String(decoding: text, as: UTF8.self)) }
        case .commit(let commit):
            if commit.endLSN > transactions.last?.end ?? .zero {
                transactions.append(Sample.Transaction(end: commit.endLSN, values: pending))
            }
            pending = []
            isInTransaction = false
        default: break
        }
    }
}

/// Everything that a file given by its name holds.
func contents(_ path: String) throws -> Consumer {
    let consumer = Consumer()
    let rest = try consumer.drain(StreamReader(path: path))
    #expect(rest == .finished)
    return consumer
}

/// Everything that a spool holds from a position on.
func contents(_ spool: SpoolDirectory, from: LSN? = nil) throws -> Consumer {
    let consumer = Consumer()
    let rest = try consumer.drain(SpoolReader(spool, from: from, follows: false))
    #expect(rest == .finished)
    return consumer
}
