import Apply
import BatchFiles
import Batches
import CommandSupport
import Glibc
import Observability
import Spool
import Threading

/// The batch text of several files as one stream, or standard input.
final class ReplayInput: ByteSource {
    private var waiting: [String]
    private var current: (any ByteSource)?
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
            if let count = try current?.read(into: buffer), count > 0 { return count }
            current = nil
            if descriptor >= 0 { close(descriptor) }
            descriptor = -1
            guard let next = waiting.popLast() else { return 0 }
            current = try open(next)
        }
    }

    private func open(_ path: String) throws -> any ByteSource {
        if FileSystem.isRegular(path) {
            guard try !isEmpty(path) else {
                throw ProgramFailure(
                    .incomplete, "\(path) is empty: not even a preamble; did the program that wrote it fail?")
            }
            try BatchFileChecksum.check(path)
            return try BatchFileSource(path)
        }
        // A pipe with a name may keep its reader waiting, and a request to stop ends that.
        descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw ProgramFailure(.inputOutput, "\(path): \(String(cString: strerror(errno)))")
        }
        return DescriptorSource(descriptor: descriptor, stop: stop)
    }

    private func isEmpty(_ path: String) throws -> Bool {
        var first: UInt8 = 0
        return try withUnsafeMutableBytes(of: &first) { try BatchFileSource(path).read(into: $0) } == 0
    }
}
