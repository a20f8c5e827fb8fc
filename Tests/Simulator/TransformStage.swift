import Batches
import LogRendering
import Postgres
import Spool

/// Text on its way from transform to replay.
final class TextPipe: BatchSink {
    private var bytes: [UInt8] = []
    private var start = 0
    /// Everything was written.
    var isClosed = false

    var isDrained: Bool { start == bytes.count }
    var count: Int { bytes.count - start }

    func write(_ bytes: UnsafeRawBufferPointer) { self.bytes.append(contentsOf: bytes) }
    func flush() {}

    /// Takes at most `most` bytes.
    func read(into buffer: UnsafeMutableRawBufferPointer, most: Int) -> Int {
        let part = min(count, buffer.count, most)
        buffer.copyBytes(from: bytes[start..<start + part])
        start += part
        if start == bytes.count {
            bytes.removeAll(keepingCapacity: true)
            start = 0
        }
        return part
    }
}

/// The real reader and the real renderer, one step at a time, as `Transformation` has them take turns.
final class TransformStage {
    private let reader: SpoolReader
    private let log: LogRenderer
    let pipe: TextPipe
    private let to: LSN?

    /// Begins at the segment that holds `options.from`.
    ///
    /// - Parameter to: where a range ends; nil for a stream that follows the log to its end record.
    init(_ spool: SpoolDirectory, _ options: RenderOptions, to: LSN? = nil) throws {
        self.to = to
        pipe = TextPipe()
        var options = options
        options.to = to
        log = LogRenderer(options: options, sink: pipe)
        reader = try SpoolReader(spool, from: options.from, follows: true, isEndless: to != nil)
    }

    /// Reads one chunk, or writes what is complete when there is none. False when there was nothing to do.
    func step() throws -> Bool {
        if pipe.isClosed { return false }
        if let to, log.renderer.hasReachedEnd {
            try log.renderer.end(at: to, reason: "to")
            pipe.isClosed = true
            return true
        }
        switch try reader.next() {
        case .chunk(let chunk):
            try log.consume(chunk)
            if pipe.isDrained { try log.renderer.readerIdle() }
            return true
        case .idle:
            guard pipe.isDrained, to == nil else { return false }
            try log.renderer.inputIdle()
            return !pipe.isDrained
        case .finished:
            guard let end = log.endMark else { throw HistoryFailure("the log ends without an end record") }
            try log.renderer.end(at: end.lsn, reason: end.reason)
            pipe.isClosed = true
            return true
        }
    }
}
