import Batches
import Synchronization
import Threading

/// Batch text on its way from the thread that renders it to the one that uses it.
///
/// What is on its way is bounded in bytes, so that a slow user holds the renderer back. A part is longer than the bound
/// where a row is; then it travels alone.
public final class BatchPipe: BatchSink, @unchecked Sendable {
    /// Text; owned by one thread at a time.
    public final class Part: @unchecked Sendable {
        /// The text.
        public fileprivate(set) var bytes: [UInt8] = []
    }

    /// Thrown to the renderer when the user has no use for more.
    public struct Abandoned: Error {}

    /// So many parts may be on their way.
    private static let partsMax = 64

    private let partBytes: Int
    private let full = BoundedQueue<Part>(capacity: BatchPipe.partsMax)
    private let empty = BoundedQueue<Part>(capacity: BatchPipe.partsMax + 2)
    private let budget: ByteBudget
    private let failure = Mutex<(any Error)?>(nil)
    private var filling = Part()

    /// A pipe that hands over parts of `partBytes` bytes, and what there is at each flush, and holds `limitBytes`.
    public init(partBytes: Int, limitBytes: Int) {
        self.partBytes = partBytes
        budget = ByteBudget(limit: limitBytes)
    }

    /// What ended the pipe early, on either side.
    public var error: (any Error)? { failure.withLock { $0 } }
}

// The renderer's side.
extension BatchPipe {
    /// Appends text, waiting for room. Throws what the user's side failed with, or ``Abandoned``.
    public func write(_ bytes: UnsafeRawBufferPointer) throws {
        filling.bytes.append(contentsOf: bytes)
        if filling.bytes.count >= partBytes { try flush() }
    }

    /// Hands over what there is.
    public func flush() throws {
        guard !filling.bytes.isEmpty else { return }
        budget.take(filling.bytes.count)
        guard full.push(filling) else { throw error ?? Abandoned() }
        filling = empty.popIfAny() ?? Part()
    }

    /// Hands over the rest, and says that no more comes.
    public func finish() throws {
        try flush()
        full.close()
    }

    /// Says that no more comes because rendering failed.
    public func fail(_ error: any Error) {
        failure.withLock { $0 = error }
        full.close()
    }

    /// True when all that was handed over is used.
    public var isDrained: Bool { budget.isUnused }
}

// The user's side.
extension BatchPipe {
    /// The next part, waiting for it; nil after the last.
    public func next() -> Part? { full.pop() }

    /// Gives back a part that was used.
    public func recycle(_ part: Part) {
        budget.give(part.bytes.count)
        // The memory that one huge row took is given back.
        part.bytes.removeAll(keepingCapacity: part.bytes.capacity <= 4 * partBytes)
        empty.push(part)
    }

    /// Says that no more is wanted, and why if that is an error.
    public func abandon(_ error: (any Error)? = nil) {
        if let error { failure.withLock { $0 = error } }
        full.close()
        budget.close()
    }
}
