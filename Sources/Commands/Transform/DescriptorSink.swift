import Batches
import CommandSupport
import Glibc
import Observability

/// Writes batch text to a descriptor.
final class DescriptorSink: BatchSink {
    private let descriptor: Int32
    private let name: String

    init(_ descriptor: Int32, name: String) {
        self.descriptor = descriptor
        self.name = name
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes
        while !rest.isEmpty {
            let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
            if count >= 0 {
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            } else if errno == EPIPE {
                throw readerIsGone
            } else if errno != EINTR {
                throw ProgramFailure(.inputOutput, "cannot write to \(name): \(String(cString: strerror(errno)))")
            }
        }
    }

    func flush() {}

    /// Throws when the descriptor is a pipe that nobody reads any more.
    func checkReader() throws {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFIFO else { return }
        var set = pollfd(fd: descriptor, events: 0, revents: 0)
        if poll(&set, 1, 0) > 0, Int32(set.revents) & POLLERR != 0 { throw readerIsGone }
    }

    private var readerIsGone: ProgramFailure {
        ProgramFailure(.inputOutput, "the program that reads \(name) has ended; see its message")
    }
}
