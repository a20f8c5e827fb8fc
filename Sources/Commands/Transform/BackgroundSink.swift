import Batches
import Synchronization
import Threading

/// Writes batch text on a thread of its own, so that the next batch is rendered while the target works on the last.
///
/// What waits to be written is bounded: a slow reader holds the renderer back.
final class BackgroundSink: BatchSink, @unchecked Sendable {
    /// Text is handed over in parts of this size, in bytes, and at each flush.
    private static let partBytes = 1 << 20
    /// So many bytes may wait, or one part, which is longer when a row is.
    private static let waitingBytesMax = 16 << 20
    private static let partsMax = 64

    private let target: DescriptorSink
    private let full = BoundedQueue<Part>(capacity: BackgroundSink.partsMax)
    private let empty = BoundedQueue<Part>(capacity: BackgroundSink.partsMax + 2)
    /// What was handed over and is not yet written.
    private let budget = ByteBudget(limit: BackgroundSink.waitingBytesMax)
    private let failure = Mutex<(any Error)?>(nil)
    private var part = Part()
    private var worker: Worker?

    /// Text on its way; owned by one thread at a time.
    private final class Part: @unchecked Sendable {
        var bytes: [UInt8] = []
    }

    init(_ target: DescriptorSink) throws {
        self.target = target
        worker = Worker.start(name: "writer") { [self] in writeParts() }
        guard worker != nil else { throw ThreadError.cannotStart(errno: 0) }
    }

    /// True when everything that was flushed is written: the reader wants more.
    var isDrained: Bool { budget.isUnused }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        part.bytes.append(contentsOf: bytes)
        if part.bytes.count >= BackgroundSink.partBytes { try flush() }
    }

    func flush() throws {
        guard !part.bytes.isEmpty else { return }
        budget.take(part.bytes.count)
        guard full.push(part) else {
            if let error = failure.withLock({ $0 }) { throw error }
            return
        }
        part = empty.popIfAny() ?? Part()
    }

    /// Waits until everything is written.
    func finish() throws {
        try flush()
        full.close()
        worker?.join()
        if let error = failure.withLock({ $0 }) { throw error }
    }

    /// Throws when nobody reads any more, or writing failed.
    func checkReader() throws {
        if let error = failure.withLock({ $0 }) { throw error }
        try target.checkReader()
    }

    private func writeParts() {
        while let part = full.pop() {
            do {
                try part.bytes.withUnsafeBytes { try target.write($0) }
            } catch {
                failure.withLock { $0 = error }
                full.close()
                return budget.close()
            }
            budget.give(part.bytes.count)
            // The memory that one huge row took is given back.
            part.bytes.removeAll(keepingCapacity: part.bytes.capacity <= 4 * BackgroundSink.partBytes)
            empty.push(part)
        }
    }
}
