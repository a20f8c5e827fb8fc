import Apply
import Batches
import CommandSupport
import Glibc
import Observability
import Threading

/// The batch text of several files as one stream, or standard input.
final class ReplayInput: ByteSource {
    private var waiting: [String]
    private var current: DescriptorSource?
    private var descriptor: Int32 = -1
    private let stop: StopRequest

    init(_ files: [String], stop: StopRequest) throws {
        waiting = files.reversed()
        self.stop = stop
        if files.isEmpty {
            current = DescriptorSource(descriptor: 0, stop: stop)
        } else {
            for file in files { _ = try PathKind(file) }
        }
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        while true {
            if let current {
                let count = try current.read(into: buffer)
                if count > 0 { return count }
                self.current = nil
                if descriptor >= 0 { close(descriptor) }
                descriptor = -1
            }
            guard let next = waiting.popLast() else { return 0 }
            descriptor = open(next, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else {
                throw ProgramFailure(.inputOutput, "\(next): \(String(cString: strerror(errno)))")
            }
            current = DescriptorSource(descriptor: descriptor, stop: stop)
        }
    }
}
