import Batches
import Postgres
import Spool
import Synchronization
import Threading

/// The batches of a range of a spool, rendered on a thread of their own while they are read.
public final class RenderedRange: ByteSource {
    private let production: Production
    private var part: [UInt8] = []
    private var offset = 0

    /// Starts rendering what lies between the options' `from` and `to` in the spool at `path`, waiting for the log to
    /// get there.
    ///
    /// - Throws: ``ThreadError``.
    public init(spool path: String, options: RenderOptions, stop: StopRequest?) throws {
        production = Production(path, options, stop ?? StopRequest())
        try production.start()
    }

    deinit {
        production.parts.close()
    }

    /// Reads what is rendered, or waits for it. Throws what rendering threw.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        while offset == part.count {
            guard let next = production.parts.pop() else {
                if let error = production.failure.withLock({ $0 }) { throw error }
                return 0
            }
            part = next
            offset = 0
        }
        let count = min(buffer.count, part.count - offset)
        part.withUnsafeBytes { bytes in
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count]))
        }
        offset += count
        return count
    }
}

/// The rendering side: its own thread, and the text on its way.
private final class Production: BatchSink, @unchecked Sendable {
    let parts = BoundedQueue<[UInt8]>(capacity: 8)
    let failure = Mutex<(any Error)?>(nil)
    private let path: String
    private let options: RenderOptions
    private let stop: StopRequest
    private var filling: [UInt8] = []

    /// The reader has lost interest.
    private struct Closed: Error {}
    private static let partBytes = 256 << 10

    init(_ path: String, _ options: RenderOptions, _ stop: StopRequest) {
        self.path = path
        self.options = options
        self.stop = stop
    }

    func start() throws {
        let worker = Worker.start(name: "rendering") { [self] in
            do {
                try render()
                try flush()
            } catch is Closed {
            } catch {
                failure.withLock { $0 = error }
            }
            parts.close()
        }
        guard worker != nil else { throw ThreadError.cannotStart(errno: 0) }
    }

    private func render() throws {
        guard let to = options.to else { return }
        let log = LogRenderer(options: options, sink: self)
        let reader = try SpoolReader(SpoolDirectory(path), from: options.from, follows: true)
        while !log.renderer.hasReachedEnd, !stop.isRequested {
            switch try reader.next() {
            case .chunk(let chunk): try log.consume(chunk)
            case .idle: reader.wait(stop, until: .after(milliseconds: 500))
            case .finished: return
            }
        }
        if log.renderer.hasReachedEnd { try log.renderer.end(at: to, reason: "to") }
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        filling.append(contentsOf: bytes)
        if filling.count >= Production.partBytes { try flush() }
    }

    func flush() throws {
        guard !filling.isEmpty else { return }
        guard parts.push(filling) else { throw Closed() }
        filling = []
    }
}
