import Glibc
import Postgres

/// A transaction that is collected beside the log until its commit decides that it joins it.
///
/// Its records lie compressed in a file of its own, which is never synced: nothing of it is acknowledged, and after a
/// crash the source sends it again.
public final class TransactionFile {
    private let path: String
    private let descriptor: Int32
    private let buffer: ChunkBuffer
    private var compressor = FrameCompressor()
    /// Records collected.
    public private(set) var count = 0
    /// Bytes of the file.
    public private(set) var fileSize: UInt64 = 0

    private static let chunkSize = 128 << 10

    /// An empty transaction in a new file; a file left there by a crash is replaced.
    public init(path: String) throws(SpoolError) {
        self.path = path
        descriptor = try FileSystem.create(path, flags: O_RDWR | O_TRUNC)
        buffer = ChunkBuffer(capacity: TransactionFile.chunkSize + 4096)
    }

    deinit {
        compressor.deallocate()
        close(descriptor)
        unlink(path)
    }

    /// Makes a folder for such files, and removes those that a crash left there.
    public static func clear(_ folder: String) throws(SpoolError) {
        try FileSystem.makeDirectory(folder)
        for name in try FileSystem.list(folder) where name.hasSuffix(".txn") { unlink(folder + "/" + name) }
    }

    /// Appends one message as it was sent in the stream.
    public func append(lsn: LSN, payload: UnsafeRawBufferPointer) throws(SpoolError) {
        buffer.append(.change, flags: .streamed, lsn: lsn, payload: payload)
        count += 1
        if buffer.count >= TransactionFile.chunkSize { try flush() }
    }

    /// Writes what is held in memory to the file.
    public func flush() throws(SpoolError) {
        guard buffer.count > 0 else { return }
        let frame = try compressor.frame(of: buffer.bytes)
        do throws(SpoolError) {
            try FileSystem.write(frame, to: descriptor, file: path)
        } catch {
            // A part of a frame would make the rest unreadable.
            ftruncate(descriptor, off_t(fileSize))
            lseek(descriptor, off_t(fileSize), SEEK_SET)
            throw error
        }
        fileSize += UInt64(frame.count)
        buffer.removeAll()
    }

    /// Reads the records back, from the first.
    public func chunks() throws(SpoolError) -> StreamReader {
        try flush()
        return try StreamReader(path: path)
    }
}
