import Audit
import Batches
import ChangeLines
import LogRendering
import Observability
import PgOutput
import Postgres
import Spool

/// One JSON object a line: changes as `inspect show --changes --json` shows them, and where transactions and the stream
/// end (docs/json-lines.md).
final class JSONLinesFormat: OutputFormat {
    private let options: RenderOptions
    private let sink: any BatchSink
    private let output: TextOutput
    private let printer: ChangePrinter
    private var walker: LogWalker
    private var identity: StreamIdentity?
    private var transactions = 0
    private var changes = 0
    private(set) var endMark: (lsn: LSN, reason: String)?

    init(_ options: RenderOptions, _ sink: any BatchSink) {
        self.options = options
        self.sink = sink
        output = TextOutput { try sink.write($0) }
        printer = ChangePrinter(json: true, output: output)
        walker = LogWalker(
            range: LogRange(from: options.from.map { .position($0) }, to: options.to.map { .position($0) }),
            selection: options.tables.selection, mappings: options.tables.mappings, isContinuous: true)
    }

    var position: LSN { reached }
    /// What lies past the wanted end may have been met in the last chunk, but was not written.
    var reached: LSN {
        max(min(walker.reached, options.to ?? LSN(rawValue: .max)), options.from ?? .zero)
    }
    var summary: String {
        "\(Figures.counted(transactions, "transaction")), \(Figures.counted(changes, "change"))"
    }

    var hasReachedEnd: Bool {
        guard let to = options.to else { return false }
        return walker.isPast || walker.reached >= to
    }

    func consume(_ chunk: Chunk) throws {
        endMark = nil
        let layouts = walker.layouts
        try walker.take(chunk, .records) { event in
            endMark = nil
            switch event {
            case .segment(let header, _, let reached): try begin(StreamIdentity(header), reached)
            case .change(let message, let operation, let transaction, let lsn):
                changes += 1
                try printer.show(message, operation, transaction, lsn: lsn, layouts)
            case .commit(let commit, let transaction):
                if try printer.committed(commit, transaction) { transactions += 1 }
            case .unfinished(let transaction): try printer.unfinished(transaction)
            case .end(let mark, let lsn): endMark = (lsn, mark.reason)
            case .begin, .other, .watermark: break
            }
        }
    }

    private func begin(_ next: StreamIdentity, _ reached: LSN) throws {
        if let identity { return try identity.check(isContinuedBy: next, at: reached) }
        try next.check(hasAllAfter: options.from ?? next.start)
        identity = next
    }

    func inputIdle() throws {
        try output.flush()
        try sink.flush()
    }

    func end(at position: LSN, reason: String) throws {
        guard identity != nil else {
            throw BatchError(.unexpectedMessage, "the stream ends before its header; the log is empty or damaged")
        }
        try walker.finish { event in
            if case .unfinished(let transaction) = event { try printer.unfinished(transaction) }
        }
        try output.write("{\"end\":\"\(max(position, reached))\",\"reason\":\(JSONText.string(reason))}\n")
        try inputIdle()
    }
}
