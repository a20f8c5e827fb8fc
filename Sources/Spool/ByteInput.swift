import Glibc
import Observability

/// A descriptor read through a buffer, with its position: a file, or a pipe.
package final class ByteInput {
    private let descriptor: Int32
    private let closesDescriptor: Bool
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
    private var start = 0
    private var end = 0
    /// The offset of the next byte to consume.
    package private(set) var position: UInt64 = 0
    package let name: String

    init(descriptor: Int32, name: String, closesDescriptor: Bool) {
        self.descriptor = descriptor
        self.name = name
        self.closesDescriptor = closesDescriptor
    }

    deinit {
        buffer.deallocate()
        if closesDescriptor { close(descriptor) }
    }

    /// Opens a file to read it.
    package static func open(_ path: String) throws(SpoolError) -> ByteInput {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SpoolError.system("open", file: path) }
        return ByteInput(descriptor: descriptor, name: path, closesDescriptor: true)
    }

    /// Opens a file of a spool or a folder of batches, where nothing but ordinary files is to be.
    package static func openRegular(_ path: String) throws(SpoolError) -> ByteInput {
        let descriptor = FileAccess.openRegular(path)
        guard descriptor >= 0 else { throw SpoolError.opening(path) }
        return ByteInput(descriptor: descriptor, name: path, closesDescriptor: true)
    }

    /// What is read but not consumed.
    package var available: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: buffer[start..<end])
    }

    /// Steps over bytes that are available.
    package func consume(_ count: Int) {
        start += count
        position += UInt64(count)
    }

    /// Reads more. False at the end of the input; waits for a pipe.
    package func fill() throws(SpoolError) -> Bool {
        if start == end {
            start = 0
            end = 0
        } else if end == buffer.count, let base = buffer.baseAddress {
            guard start > 0 else { return true }
            memmove(base, base + start, end - start)
            end -= start
            start = 0
        }
        while true {
            let free = UnsafeMutableRawBufferPointer(rebasing: buffer[end...])
            let count = read(descriptor, free.baseAddress, free.count)
            if count > 0 {
                end += count
                return true
            }
            if count == 0 { return false }
            guard errno == EINTR else { throw SpoolError.system("read", file: name) }
        }
    }

    /// True when bytes can be had without waiting (or the input has ended).
    var isReady: Bool {
        if start < end { return true }
        var set = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&set, 1, 0) != 0
    }

    /// The descriptor, to poll.
    var pollDescriptor: Int32 { descriptor }

    /// Identity of the open file, to see whether its name was given to another.
    func fileIdentity() -> FileIdentity? {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        return FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    }

    /// Jumps to an offset of a file.
    func seek(to offset: UInt64) throws(SpoolError) {
        guard lseek(descriptor, off_t(offset), SEEK_SET) >= 0 else { throw SpoolError.system("lseek", file: name) }
        start = 0
        end = 0
        position = offset
    }
}

/// What a file is, whatever its name.
struct FileIdentity: Equatable {
    let device: UInt64
    let inode: UInt64
}
