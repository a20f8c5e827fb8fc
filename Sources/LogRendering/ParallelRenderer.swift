import Batches
import PgOutput
import Postgres
import Spool
import Synchronization
import Threading

/// Renders a log on several threads: divides it into pieces of whole transactions, each about as much as a batch holds,
/// and writes what is made of them in the log's order.
///
/// ```
///              ┌─▶ RenderWorker: pieces 0, 2, 4 … ─┐
///   pieces ────┤                                   ├───▶ text in order: piece 0, 1, 2 …
///              └─▶ RenderWorker: pieces 1, 3, 5 … ─┘
/// ```
/// A piece begins behind the last commit of the one before, with the layouts that its segment had introduced by then. A
/// transaction is never divided: a large one is one worker's, and goes through it in parts of bounded size.
public final class ParallelRenderer {
    private let options: RenderOptions
    private let pieceBytes: Int
    private let workers: [RenderWorker]
    private let writer: OrderedWriter
    private var thread: Worker?

    /// The number of the present piece, which the first record begins.
    private var piece = 0
    private var isBegun = false
    private var isFinished = false
    private var cursor: TransactionCursor
    private var endLimit: LSN?
    private var bytes = 0
    private var changes = 0
    private var header: [UInt8] = []
    private var layouts = LayoutRecords()

    /// The end of the last transaction that was met.
    public private(set) var position = LSN.zero
    /// The last watermark that was met.
    public private(set) var lastWatermark = LSN.zero
    /// The last record was an end mark: where the log ends, and why.
    public private(set) var endMark: (lsn: LSN, reason: String)?

    /// A piece has at most so many bytes of records, unless a transaction has more.
    private static let pieceBytesMax = 8 << 20
    /// A piece of fewer bytes is not worth the hand-over, however few changes a batch may have.
    private static let pieceBytesMin = 1 << 20

    /// Starts `jobs` threads, and one that writes to `sink`, which nobody else may touch until ``finish()`` returns.
    ///
    /// - Throws: ``ThreadError``.
    public init(options: RenderOptions, jobs: Int, sink: any BatchSink) throws {
        self.options = options
        cursor = TransactionCursor(CommitRange(to: options.to))
        var options = options
        // What is asked for ends with what is handed over.
        options.to = nil
        pieceBytes = min(options.maxBytes, ParallelRenderer.pieceBytesMax)
        let pieceBytes = self.pieceBytes
        let workers = try (0..<max(1, jobs)).map { _ in try RenderWorker(options, pieceBytes: pieceBytes) }
        let writer = OrderedWriter(workers, sink)
        self.workers = workers
        self.writer = writer
        do throws(ThreadError) {
            thread = try Worker.launch(name: "writer") { writer.run() }
        } catch {
            workers.forEach { $0.close() }
            throw error
        }
    }

    deinit {
        workers.forEach { $0.close() }
    }

    /// True once everything up to the wanted end was taken.
    public var hasReachedEnd: Bool {
        guard let to = options.to else { return false }
        return cursor.isPast || position >= to || lastWatermark >= to
    }

    /// What was written; to be asked after ``finish()``.
    public var statistics: RenderStatistics {
        workers.reduce(into: RenderStatistics()) { sum, worker in
            sum.batches += worker.statistics.batches
            sum.transactions += worker.statistics.transactions
            sum.changes += worker.statistics.changes
            sum.bytes += worker.statistics.bytes
        }
    }

    /// Takes a chunk's records.
    ///
    /// - Throws: `SpoolError` for records that cannot be read; what rendering or writing failed with.
    public func consume(_ chunk: Chunk) throws {
        var cursor = RecordCursor(chunk)
        var start = 0
        while let record = try cursor.next() {
            let end = record.offset + record.size
            try beginPiece()
            let whole = chunk.bytes(of: record)
            endMark = nil
            guard try take(record, whole, chunk) else {
                try hand(on: chunk, start..<record.offset)
                return
            }
            bytes += whole.count
            if isPieceWhole {
                try hand(on: chunk, start..<end)
                start = end
                try push(.endOfPiece)
                piece += 1
                (isBegun, bytes, changes) = (false, 0, 0)
            }
        }
        try hand(on: chunk, start..<chunk.bytes.count)
    }

    private var isPieceWhole: Bool {
        !cursor.isInTransaction
            && (bytes >= pieceBytes
                || changes >= options.maxChanges && bytes >= min(pieceBytes, ParallelRenderer.pieceBytesMin))
    }

    /// Notes what a record says. False for one at which the wanted range has ended.
    private func take(_ record: Record, _ whole: UnsafeRawBufferPointer, _ chunk: Chunk) throws -> Bool {
        switch record.kind {
        case .header:
            if header.isEmpty {
                position = try options.from ?? SegmentHeader(payload: record.payload, file: chunk.file).start
                cursor.start(at: position)
            }
            header = Array(whole)
            layouts.removeAll()
        case .relation: try layouts.keep(record, whole, file: chunk.file)
        case .watermark: lastWatermark = max(lastWatermark, record.lsn)
        case .end:
            let mark: EndMark = try JSON.decode(record.payload, what: "the end record", file: chunk.file)
            endMark = (record.lsn, mark.reason)
            lastWatermark = max(lastWatermark, record.lsn)
        case .change: return try takeChange(record, whole, chunk)
        }
        return true
    }

    private func takeChange(_ record: Record, _ whole: UnsafeRawBufferPointer, _ chunk: Chunk) throws -> Bool {
        switch MessageKind(rawValue: record.payload.first ?? 0) {
        case .begin:
            guard case .begin(let begin) = try decode(record) else { break }
            _ = cursor.begin(begin)
        case .commit:
            guard case .commit(let commit) = try decode(record) else { break }
            if try cursor.closing(commit) == .cutOff { endLimit = commit.commitLSN }
            if !cursor.isPast { position = cursor.lastEnd }
        case .relation, .type: try layouts.keep(record, whole, file: chunk.file)
        case .insert, .update, .delete, .truncate: changes += 1
        default: break
        }
        return !cursor.isPast
    }

    private func decode(_ record: Record) throws -> Message {
        do throws(PgOutputError) { return try Message(decoding: record.payload) } catch {
            throw BatchError(
                .malformedMessage, "\(error); verify the log with `inspect verify`, and report it if the log is sound",
                lsn: position)
        }
    }

    /// Gives records of a chunk to the worker of the present piece.
    private func hand(on chunk: Chunk, _ range: Range<Int>) throws {
        guard !range.isEmpty else { return }
        let buffer = worker.buffer(of: UnsafeRawBufferPointer(rebasing: chunk.bytes[range]))
        try push(.records(buffer, file: chunk.file, offset: chunk.offset))
    }

    /// Tells the worker of a new piece what it must know, before anything of the piece is looked at.
    private func beginPiece() throws {
        guard !isBegun else { return }
        isBegun = true
        guard piece > 0 else { return }
        try push(.begin(from: position))
        let buffer = ChunkBuffer(capacity: 64 << 10)
        header.withUnsafeBytes { buffer.append($0) }
        layouts.forEach { buffer.append($0) }
        try push(.records(buffer, file: "the log", offset: 0))
    }

    /// Who renders the present piece.
    private var worker: RenderWorker { workers[piece % workers.count] }

    private func push(_ item: RenderWorker.Input) throws {
        guard worker.push(item) else {
            join()
            throw writer.error ?? BatchPipe.Abandoned()
        }
    }

    /// Writes the end of the log, and waits until all is written.
    public func end(at position: LSN, reason: String) throws {
        try beginPiece()
        // Inside a commit record nothing can end.
        try push(.end(max(min(position, endLimit ?? position), self.position), reason: reason))
        try finish()
    }

    /// Says that no more comes, and waits until what is complete is written.
    public func finish() throws {
        guard !isFinished else { return }
        isFinished = true
        try push(.finish)
        join()
        if let error = writer.error { throw error }
    }

    private func join() {
        isFinished = true
        thread?.join()
        workers.forEach { $0.close() }
        workers.forEach { $0.join() }
    }
}

/// Writes what the workers make, piece after piece.
private final class OrderedWriter: @unchecked Sendable {
    private let workers: [RenderWorker]
    // Only the writing thread touches it.
    private let sink: any BatchSink
    private let failure = Mutex<(any Error)?>(nil)

    init(_ workers: [RenderWorker], _ sink: any BatchSink) {
        self.workers = workers
        self.sink = sink
    }

    /// What ended the writing early.
    var error: (any Error)? { failure.withLock { $0 } }

    func run() {
        do {
            try write()
        } catch {
            failure.withLock { $0 = error }
        }
        workers.forEach { $0.close() }
    }

    private func write() throws {
        var piece = 0
        var written: BatchPreamble?
        while true {
            let worker = workers[piece % workers.count]
            guard let item = worker.pop() else { return }
            switch item {
            case .preamble(let preamble):
                // Each worker's own stream begins with one; all but the first say nothing new, unless the source has
                // another timeline from here on.
                if written?.timeline != preamble.timeline { try sink.begin(preamble) }
                written = preamble
            case .text(let text):
                try text.bytes.withUnsafeBytes { try sink.write($0) }
                worker.recycle(text)
            case .completed(let end):
                try sink.flush()
                try sink.completed(to: end)
            case .endOfPiece: piece += 1
            case .failed(let error): throw error
            case .finished: return try sink.flush()
            }
        }
    }
}
