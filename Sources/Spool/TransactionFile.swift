import Glibc
import PgOutput
import Postgres

/// A transaction that is collected beside the log until its commit decides that it joins it.
///
/// Its records lie compressed in a file of its own, as they would in the log: most chunks join it as they are. The file
/// is never synced: nothing of it is acknowledged, and after a crash the source sends it again.
public final class TransactionFile {
    private let path: String
    private let descriptor: Int32
    /// The chunk that is being filled; none between streams, so that many waiting transactions take no memory.
    private var buffer: ChunkBuffer?
    private var chunk = CollectedChunk()
    private var compressor = FrameCompressor()
    private var records = 0
    /// Bytes of the file.
    public private(set) var fileSize: UInt64 = 0

    /// Raw bytes of records at which a chunk is closed. Less than in the log: it is compressed by the thread that reads
    /// the source's socket, which must not be away for long, and what it reads and writes stays in the core's cache.
    static let chunkSize = 128 << 10

    /// An empty transaction in a new file; a file left there by a crash is replaced.
    public init(path: String) throws(SpoolError) {
        self.path = path
        descriptor = try FileSystem.create(path, flags: O_RDWR | O_TRUNC)
    }

    deinit {
        compressor.deallocate()
        close(descriptor)
        FileSystem.unlink(path)
    }

    /// Makes a folder for such files, and removes those that a crash left there.
    public static func clear(_ folder: String) throws(SpoolError) {
        try FileSystem.makeDirectory(folder)
        for name in try FileSystem.list(folder) where name.hasSuffix(".txn") { FileSystem.unlink(folder + "/" + name) }
    }

    /// Appends one message as it was sent in the stream.
    ///
    /// - Throws: ``SpoolError`` when it could not be written: it is kept in memory then, as is what came before it.
    ///   ``PgOutputError`` when the message cannot be in a streamed transaction.
    public func append(lsn: LSN, payload: UnsafeRawBufferPointer) throws {
        let buffer = self.buffer ?? ChunkBuffer(capacity: TransactionFile.chunkSize + TransactionFile.chunkSize / 8)
        self.buffer = buffer
        guard let kind = payload.first else { throw PgOutputError(.truncated, kind: 0, offset: 0) }
        // Origin is the one message that carries no transaction id in a stream.
        if kind == MessageKind.origin.rawValue {
            try chunk.count(payload, xid: 0, lsn: lsn)
            buffer.append(.change, flags: .streamed, lsn: lsn, payload: payload)
        } else {
            guard payload.count > 5 else { throw PgOutputError(.truncated, kind: kind, offset: payload.count) }
            let xid = UInt32(bigEndian: payload.loadUnaligned(fromByteOffset: 1, as: UInt32.self))
            let plain = buffer.appendStreamed(lsn: lsn, payload: payload)
            try chunk.count(plain, xid: xid, lsn: lsn)
        }
        if buffer.count >= TransactionFile.chunkSize { try flush() }
    }

    /// Writes what is held in memory to the file.
    public func flush() throws(SpoolError) {
        guard let buffer, buffer.count > 0 else { return }
        let frame = try compressor.frame(of: buffer.bytes)
        chunk.summary.rawBytes = buffer.count
        chunk.frameSize = frame.count
        chunk.frameChecksum = XXH64.hash(frame)
        let description = chunk.encoded()
        do throws(SpoolError) {
            try description.withBytes { all throws(SpoolError) in
                try FileSystem.write(all, to: descriptor, file: path)
            }
            try FileSystem.write(frame, to: descriptor, file: path)
        } catch {
            // A part of a frame would make the rest unreadable.
            FileSystem.takeBack(descriptor, to: fileSize)
            throw error
        }
        records += chunk.summary.records
        fileSize += UInt64(description.count + frame.count)
        chunk.removeAll()
        buffer.removeAll()
    }

    /// The same, when nothing more comes for now: gives the memory back as well.
    public func rest() throws(SpoolError) {
        try flush()
        buffer = nil
        compressor.deallocate()
    }

    /// Reads the chunks back, from the first.
    public func reader() throws(SpoolError) -> TransactionReader {
        try rest()
        return TransactionReader(try ByteInput.openRegular(path), records: records)
    }
}
