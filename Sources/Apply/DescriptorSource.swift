import Batches
import Glibc
import Threading

/// Batch text from a file descriptor. While it waits for input, a request to stop ends the wait.
public final class DescriptorSource: ByteSource {
    private let descriptor: Int32
    private let stop: StopRequest?

    /// What is under way has no end to be read, as a stop was asked for.
    public struct Stopped: Error, Sendable {}

    /// A read that failed.
    public struct ReadError: Error, Sendable, CustomStringConvertible {
        /// The system's error number.
        public let errno: Int32
        /// The error in words.
        public var description: String { "cannot read the batches: \(String(cString: strerror(errno)))" }
    }

    /// A source that reads `descriptor`, which stays the caller's to close.
    public init(descriptor: Int32, stop: StopRequest? = nil) {
        self.descriptor = descriptor
        self.stop = stop
    }

    /// Reads what is there, or waits. See ``ByteSource``.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        while true {
            if let stop {
                // What is there already is read even then, so that a batch whose bytes have come can be finished.
                let ready = Polling.wait(descriptor, stop.descriptor, until: .never)
                if !ready.first {
                    if stop.isRequested { throw Stopped() }
                    continue
                }
            }
            let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            if count >= 0 { return count }
            if errno != EINTR && errno != EAGAIN { throw ReadError(errno: errno) }
        }
    }
}
