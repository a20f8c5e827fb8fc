import Batches
import Failpoints
import Glibc
import Postgres
import Spool

/// Writes one file of batches: `.partial` until it is whole and durable.
final class BatchFileWriter {
    private let folder: String
    private let from: LSN
    private let isCompressed: Bool
    private let path: String
    private let descriptor: Int32
    private var compressor = FrameCompressor()
    private var buffer: [UInt8] = []
    /// The text so far, in bytes.
    private(set) var byteCount = 0
    private var sum = XXH64()

    /// Text is written, and compressed, in pieces of this size, in bytes.
    private static let pieceBytes = 1 << 20

    init(folder: String, from: LSN, isCompressed: Bool) throws(SpoolError) {
        self.folder = folder
        self.from = from
        self.isCompressed = isCompressed
        path = folder + "/" + BatchFileName.partial(from: from, isCompressed: isCompressed)
        descriptor = try FileSystem.create(path, flags: O_WRONLY | O_TRUNC)
        buffer.reserveCapacity(BatchFileWriter.pieceBytes)
    }

    deinit {
        compressor.deallocate()
        close(descriptor)
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(SpoolError) {
        byteCount += bytes.count
        sum.update(bytes)
        try append(bytes)
    }

    private func append(_ bytes: UnsafeRawBufferPointer) throws(SpoolError) {
        var rest = bytes
        while buffer.count + rest.count >= BatchFileWriter.pieceBytes {
            let room = BatchFileWriter.pieceBytes - buffer.count
            buffer.append(contentsOf: rest.prefix(room))
            rest = UnsafeRawBufferPointer(rebasing: rest[room...])
            try writePiece()
        }
        buffer.append(contentsOf: rest)
    }

    private func writePiece() throws(SpoolError) {
        guard !buffer.isEmpty else { return }
        try buffer.withBytes { text throws(SpoolError) in
            let piece = isCompressed ? try compressor.frame(of: text) : text
            try Failpoint.tornBatchFile.reach { () throws(SpoolError) in
                let half = UnsafeRawBufferPointer(rebasing: piece[..<(piece.count / 2)])
                try FileSystem.write(half, to: descriptor, file: path)
            }
            try FileSystem.write(piece, to: descriptor, file: path)
        }
        buffer.removeAll(keepingCapacity: true)
    }

    /// Makes the file durable and gives it its name; nothing may be written any more.
    func seal(to end: LSN) throws(SpoolError) -> BatchFileName {
        try BatchFileChecksum.line(sum.value).withBytes { line throws(SpoolError) in try append(line) }
        try writePiece()
        let name = BatchFileName(from: from, to: end, isCompressed: isCompressed)
        Failpoint.beforeBatchFileSync.reach()
        try FileSystem.sync(descriptor, file: path)
        Failpoint.beforeBatchFileRename.reach()
        try FileSystem.rename(path, to: folder + "/" + name.fileName)
        Failpoint.afterBatchFileRename.reach()
        try FileSystem.syncDirectory(folder)
        Failpoint.afterBatchFileSeal.reach()
        return name
    }

    /// Removes the file: what is in it can be written again.
    func discard() {
        unlink(path)
    }
}
