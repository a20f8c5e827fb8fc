import Failpoints
import Glibc
import Postgres

/// Writes one segment: its header, then chunks, then its footer; or the same bytes to a pipe.
///
/// Nothing it wrote may be acknowledged before ``sync()`` returned.
public final class SegmentWriter {
    private let spool: SpoolDirectory?
    private let name: SegmentName
    private let path: String
    private let descriptor: Int32
    private var compressor = FrameCompressor()
    private var indexer: SegmentIndexer
    /// Bytes written to the file.
    public private(set) var fileSize: UInt64
    /// Bytes were written since the last ``sync()``.
    public private(set) var isDirty = false
    /// Up to here the file is on disk, or on its way.
    private var writtenBack: UInt64 = 0
    /// Up to here the file has an index beside it.
    private var indexedSize: UInt64 = 0

    /// Bytes after which the disk is set to work.
    private static let writebackStep: UInt64 = 4 << 20

    /// Creates the segment's `.partial` file with its header, durable before the first chunk.
    init(in spool: SpoolDirectory, header: SegmentHeader) throws(SpoolError) {
        self.spool = spool
        name = header.name
        path = spool.segmentsPath + "/" + name.fileName
        descriptor = try FileSystem.create(path, flags: O_WRONLY | O_EXCL)
        fileSize = 0
        indexer = SegmentIndexer(start: header.start)
        do throws(SpoolError) {
            Failpoint.beforeHeader.reach()
            try write(header: header)
            try sync()
            try FileSystem.syncDirectory(spool.segmentsPath)
            Failpoint.afterHeader.reach()
        } catch {
            // A full disk may have room later: the next try must find the name free.
            FileSystem.unlink(path)
            throw error
        }
    }

    /// Writes to a descriptor that is no spool file, such as standard output. Never synced, never sealed by renaming.
    public init(pipe descriptor: Int32, header: SegmentHeader) throws(SpoolError) {
        spool = nil
        name = header.name
        path = "standard output"
        self.descriptor = descriptor
        fileSize = 0
        indexer = SegmentIndexer(start: header.start)
        try write(header: header)
    }

    /// Continues with an open segment that was recovered.
    init(recovered: RecoveredSegment, in spool: SpoolDirectory) throws(SpoolError) {
        self.spool = spool
        name = recovered.name
        path = spool.segmentsPath + "/" + name.fileName
        descriptor = try FileSystem.create(path, flags: O_WRONLY | O_APPEND)
        fileSize = recovered.fileSize
        writtenBack = fileSize
        indexedSize = recovered.indexedSize
        indexer = recovered.indexer
    }

    deinit {
        compressor.deallocate()
        if spool != nil { close(descriptor) }
    }

    /// The end of the last commit or watermark written.
    public var end: LSN {
        indexer.footer.end
    }

    /// True while no commit or watermark follows the start. Such a segment is never sealed: the next would begin at the
    /// same position and want the same name.
    public var isEmpty: Bool {
        indexer.footer.end == indexer.footer.start
    }

    /// The file's present name.
    public var fileName: String {
        name.fileName
    }

    private func write(header: SegmentHeader) throws(SpoolError) {
        let buffer = ChunkBuffer(capacity: 4096)
        buffer.append(.header, lsn: header.start, payload: JSON.encode(header))
        // The bytes are the buffer's own, which nothing else keeps until they are written.
        try withExtendedLifetime(buffer) { () throws(SpoolError) in
            try append(buffer.bytes, torn: .tornHeader)
        }
    }

    /// Compresses and writes one chunk of whole records.
    public func append(_ records: UnsafeRawBufferPointer) throws(SpoolError) {
        try append(records, torn: .tornWrite)
    }

    /// Writes one chunk of whole records that is compressed already.
    public func append(frame: UnsafeRawBufferPointer, _ summary: ChunkSummary) throws(SpoolError) {
        let offset = fileSize
        try write(frame, torn: .tornWrite)
        indexer.consume(summary, offset: offset)
    }

    private func append(_ records: UnsafeRawBufferPointer, torn: Failpoint) throws(SpoolError) {
        let offset = fileSize
        try write(try compressor.frame(of: records), torn: torn)
        try indexer.consume(Chunk(bytes: records, file: path, offset: offset))
    }

    private func write(_ frame: UnsafeRawBufferPointer, torn: Failpoint) throws(SpoolError) {
        Failpoint.beforeWrite.reach()
        try torn.reach { () throws(SpoolError) in
            try write(UnsafeRawBufferPointer(rebasing: frame[..<(frame.count / 2)]))
        }
        try write(frame)
        Failpoint.afterWrite.reach()
    }

    /// Writes a whole frame, or leaves the file as it was: a part of one would hide all that follows from readers.
    private func write(_ frame: UnsafeRawBufferPointer) throws(SpoolError) {
        isDirty = true
        do throws(SpoolError) {
            try FileSystem.write(frame, to: descriptor, file: path)
        } catch {
            if spool != nil { FileSystem.takeBack(descriptor, to: fileSize) }
            throw error
        }
        fileSize += UInt64(frame.count)
        guard spool != nil, fileSize - writtenBack >= SegmentWriter.writebackStep else { return }
        // The disk works while the next chunks are made, and the sync has less to wait for.
        writtenBack = Writeback.start(descriptor, from: writtenBack, to: fileSize)
    }

    /// Makes everything written durable. After an error nothing may be written or acknowledged any more.
    public func sync() throws(SpoolError) {
        guard isDirty, spool != nil else { return }
        Failpoint.beforeSync.reach()
        try UnsyncedMark.sync(descriptor, file: path)
        Failpoint.afterSync.reach()
        isDirty = false
        writtenBack = fileSize
    }

    /// So much was written since the index beside the file was made that it is time for the next.
    public var isIndexDue: Bool {
        guard let spool else { return false }
        return fileSize - indexedSize >= max(spool.indexStep, fileSize / 16)
    }

    /// What was written last ends a transaction: an index can be made here.
    public var isAtBoundary: Bool { indexer.isAtBoundary }

    /// Makes the index from which a reader or a later writer goes on, when it is time and everything is synced. The log does
    /// without: a disk that has no room for it is no error.
    public func saveIndexIfDue() {
        guard let spool, isIndexDue, !isDirty else { return }
        do throws(SpoolError) {
            guard
                let checkpoint = try SegmentCheckpoint(indexer, timeline: name.timeline, size: fileSize, path: path)
            else { return }
            Failpoint.beforeIndex.reach()
            try checkpoint.save(to: spool)
            Failpoint.afterIndex.reach()
        } catch {
            FileSystem.unlink(spool.openIndexPath + ".new")
        }
        // Also after a failure: not again at once.
        indexedSize = fileSize
    }

    /// Completes the segment: footer, file sync, rename, directory sync. Returns the sealed file's name.
    @discardableResult
    public func seal() throws(SpoolError) -> String {
        let footer = indexer.finished().frame()
        Failpoint.beforeFooter.reach()
        try footer.withBytes { bytes throws(SpoolError) in try write(bytes) }
        Failpoint.afterFooter.reach()
        guard let spool else { return path }
        try sync()
        let sealed = name.sealed.fileName
        Failpoint.beforeRename.reach()
        try FileSystem.rename(path, to: spool.segmentsPath + "/" + sealed)
        Failpoint.afterRename.reach()
        Failpoint.beforeDirectorySync.reach()
        try FileSystem.syncDirectory(spool.segmentsPath)
        Failpoint.afterDirectorySync.reach()
        FileSystem.unlink(spool.openIndexPath)
        return sealed
    }
}
