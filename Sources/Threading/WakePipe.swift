import Glibc

/// A pipe to wake a thread that waits in `poll`: one side is written, the other becomes readable.
public final class WakePipe: Sendable {
    /// The descriptor to poll for reading.
    public let readDescriptor: Int32
    private let writeDescriptor: Int32

    /// Opens the pipe, non-blocking and closed in child processes. Nil when the process is out of descriptors.
    public init?() {
        var descriptors: [Int32] = [-1, -1]
        guard pipe(&descriptors) == 0 else { return nil }
        for descriptor in descriptors {
            _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        }
        readDescriptor = descriptors[0]
        writeDescriptor = descriptors[1]
    }

    deinit {
        close(readDescriptor)
        close(writeDescriptor)
    }

    /// Makes the read side readable. A full pipe is readable already, so a failed write loses nothing.
    public func wake() {
        var byte: UInt8 = 1
        _ = write(writeDescriptor, &byte, 1)
    }

    /// Makes the read side unreadable until the next ``wake()``.
    public func drain() {
        withUnsafeTemporaryAllocation(byteCount: 256, alignment: 1) { buffer in
            while let base = buffer.baseAddress, read(readDescriptor, base, buffer.count) == buffer.count {}
        }
    }
}
