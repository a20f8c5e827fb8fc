import Batches
import Postgres
import Spool
import Threading

/// The batches of a range of a spool, rendered on a thread of their own while they are read.
public final class RenderedRange: ByteSource {
    private let pipe = BatchPipe(partBytes: 256 << 10, limitBytes: 2 << 20)
    private var part: BatchPipe.Part?
    private var offset = 0

    /// Starts rendering what lies between the options' `from` and `to` in the spool at `path`, waiting for the log to
    /// get there.
    ///
    /// - Throws: ``ThreadError``.
    public init(spool path: String, options: RenderOptions, stop: StopRequest?) throws {
        let pipe = self.pipe
        let stop = stop ?? StopRequest()
        _ = try Worker.launch(name: "rendering") {
            do {
                try RenderedRange.render(path, options, stop, into: pipe)
                try pipe.finish()
            } catch is BatchPipe.Abandoned {
                // The reader has what it wanted.
            } catch {
                pipe.fail(error)
            }
        }
    }

    deinit {
        pipe.abandon()
    }

    /// Reads what is rendered, or waits for it. Throws what rendering threw.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        while true {
            if let part, offset < part.bytes.count {
                let count = min(buffer.count, part.bytes.count - offset)
                part.bytes.withUnsafeBytes { bytes in
                    buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count]))
                }
                offset += count
                return count
            }
            if let part { pipe.recycle(part) }
            part = pipe.next()
            offset = 0
            guard part == nil else { continue }
            if let error = pipe.error { throw error }
            return 0
        }
    }

    private static func render(
        _ path: String, _ options: RenderOptions, _ stop: StopRequest, into pipe: BatchPipe
    ) throws {
        guard let to = options.to else { return }
        let log = LogRenderer(options: options, sink: pipe)
        let reader = try SpoolReader(SpoolDirectory(path), from: options.from, follows: true, isEndless: true)
        while !log.renderer.hasReachedEnd, !stop.isRequested {
            switch try reader.next() {
            case .chunk(let chunk): try log.consume(chunk)
            case .idle: reader.wait(stop, until: .after(milliseconds: 500))
            case .finished: return
            }
        }
        if log.renderer.hasReachedEnd { try log.renderer.end(at: to, reason: "to") }
    }
}
