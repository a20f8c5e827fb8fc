import Failpoints
import Glibc
import Postgres

/// An open segment after a crash or a stop, cut back to its last whole commit.
public struct RecoveredSegment: Sendable {
    /// The file.
    public let name: SegmentName
    /// Its header.
    public let header: SegmentHeader
    /// The end of its last commit or watermark.
    public let end: LSN
    /// Bytes cut: torn, or of a transaction whose commit had not come. The source sends them again.
    public let cutBytes: UInt64
    /// Where a damaged file was put aside, if it was more than torn.
    public let putAside: String?
    /// The last record kept is an end record.
    public let hasEnd: Bool
    /// The footer is there already, so that only the sealing is left to do.
    let hasFooter: Bool
    let fileSize: UInt64
    let indexer: SegmentIndexer
    /// How much of the file the index beside it covers.
    let indexedSize: UInt64
}

/// Brings the `.partial` file of a spool into a state that can be appended to.
///
/// The file is never changed in place: what is kept is copied beside it and put in its place by a rename, so that a
/// crash in the middle loses nothing, and readers see by the file's identity that they must look again.
struct SegmentRecovery {
    private let spool: SpoolDirectory
    private let name: SegmentName
    private let path: String

    private var header: SegmentHeader?
    /// Where the frame with the last whole commit begins and ends, and how many bytes of its records are kept.
    private var frameStart: UInt64 = 0
    private var frameEnd: UInt64 = 0
    private var keptRecords = 0
    private var frameRecords = 0
    private var hasFooter = false
    private var damage: SpoolError?
    private var indexer: SegmentIndexer
    /// What comes before is not read: it has an index, and was durable when that was made.
    private var indexedSize: UInt64 = 0

    init(_ spool: SpoolDirectory, _ name: SegmentName) {
        self.spool = spool
        self.name = name
        indexer = SegmentIndexer(start: name.start)
        path = spool.segmentsPath + "/" + name.fileName
    }

    /// Scans and, where needed, repairs the file. Nil when it holds no whole header: nothing in it was acknowledged.
    static func run(_ spool: SpoolDirectory, _ name: SegmentName) throws(SpoolError) -> RecoveredSegment? {
        var recovery = SegmentRecovery(spool, name)
        let size = try FileSystem.size(recovery.path)
        try recovery.findCut()
        guard let header = recovery.header else { return nil }
        let isDoubtful = UnsyncedMark.isSet(recovery.path)
        // A reader that has seen the footer goes on with the next segment.
        let isComplete = recovery.hasFooter
        let isWhole = isComplete || recovery.frameEnd == size && recovery.keptRecords == recovery.frameRecords
        let putAside = isWhole && !isDoubtful ? nil : try recovery.repair(keepingAll: isComplete)
        if isDoubtful { UnsyncedMark.remove(recovery.path) }
        // What was read is what stays, unless the file was cut.
        if !isWhole { try recovery.indexAgain() }
        let indexer = recovery.indexer
        // What a crashed process wrote may still be only in memory.
        let descriptor = try FileSystem.create(recovery.path, flags: O_RDWR)
        defer { close(descriptor) }
        try UnsyncedMark.sync(descriptor, file: recovery.path)
        let kept = try FileSystem.size(recovery.path)
        return RecoveredSegment(
            name: name, header: header, end: indexer.footer.end, cutBytes: size > kept ? size - kept : 0,
            putAside: putAside, hasEnd: indexer.hasEnd, hasFooter: recovery.hasFooter, fileSize: kept,
            indexer: indexer, indexedSize: recovery.indexedSize)
    }

    private mutating func findCut() throws(SpoolError) {
        try beginBehindIndex()
        let frames = FrameReader(try ByteInput.openRegular(path))
        try frames.seek(to: indexedSize)
        while true {
            do throws(SpoolError) {
                switch try frames.next() {
                case .boundary, .unfinished:
                    return
                case .skippable(let bytes, let offset):
                    _ = try SegmentFooter(skippable: bytes, file: path, offset: offset)
                    hasFooter = header != nil
                    return
                case .frame(let bytes, let offset):
                    try follow(bytes, offset: offset, end: frames.input.position)
                }
            } catch  where error.code == .corrupt {
                // Whether this lost anything acknowledged shows when the slot's position is compared with the end.
                damage = error
                return
            }
        }
    }

    /// Takes over the index that the writer kept, if it is this file's.
    private mutating func beginBehindIndex() throws(SpoolError) {
        let file = try SegmentFile(path)
        guard let header = try? file.header(), (try? header.check(is: name, file: path)) != nil else { return }
        (indexer, indexedSize) = try file.frames.begin(name, in: spool)
        guard indexedSize > 0 else { return }
        self.header = header
        (frameStart, frameEnd) = (indexedSize, indexedSize)
    }

    private mutating func follow(
        _ bytes: UnsafeRawBufferPointer, offset: UInt64, end: UInt64
    ) throws(SpoolError) {
        indexer.beginChunk(offset: offset)
        var cursor = RecordCursor(Chunk(bytes: bytes, file: path, offset: offset))
        while let record = try cursor.next() {
            if header == nil { header = try checkedHeader(record) }
            guard try indexer.consume(record, file: path) == .commit || record.kind == .header else { continue }
            frameStart = offset
            frameEnd = end
            keptRecords = record.offset + record.size
            frameRecords = bytes.count
        }
    }

    private func checkedHeader(_ record: Record) throws(SpoolError) -> SegmentHeader {
        guard record.kind == .header else {
            throw SpoolError(.corrupt, "the segment does not begin with its header", file: path, offset: 0)
        }
        let header = try SegmentHeader(payload: record.payload, file: path)
        guard header.start == name.start, header.timeline == name.timeline else {
            throw SpoolError(.corrupt, "the segment's header and its file name disagree", file: path, offset: 0)
        }
        return header
    }

    /// Puts what is kept in the file's place. Returns where the old file went, if it was damaged.
    private func repair(keepingAll: Bool) throws(SpoolError) -> String? {
        let repaired = path + ".repair"
        let output = try FileSystem.create(repaired, flags: O_WRONLY | O_TRUNC)
        defer { close(output) }
        let source = try ByteInput.openRegular(path)
        if keepingAll {
            try copy(from: source, to: output, file: repaired)
        } else {
            try copy(from: source, upTo: frameStart, to: output, file: repaired)
            if keptRecords > 0 { try copyCutFrame(to: output, file: repaired) }
        }
        try FileSystem.syncData(output, file: repaired)
        var aside: String?
        if damage != nil {
            let place = path + ".damaged"
            FileSystem.unlink(place)
            try FileSystem.link(path, to: place)
            aside = place
        }
        Failpoint.beforeRepair.reach()
        try FileSystem.rename(repaired, to: path)
        try FileSystem.syncDirectory(spool.segmentsPath)
        Failpoint.afterRepair.reach()
        return aside
    }

    private func copy(
        from source: ByteInput, upTo end: UInt64 = .max, to output: Int32, file: String
    ) throws(SpoolError) {
        while source.position < end {
            guard try source.fill() else {
                if end == .max { return }
                throw SpoolError(.torn, "the file shrank while it was read", file: path)
            }
            let count = Int(min(UInt64(source.available.count), end - source.position))
            try FileSystem.write(
                UnsafeRawBufferPointer(rebasing: source.available[..<count]), to: output, file: file)
            source.consume(count)
        }
    }

    /// Of the last frame that has a whole commit, what comes up to that.
    private func copyCutFrame(to output: Int32, file: String) throws(SpoolError) {
        let frames = FrameReader(try ByteInput.openRegular(path))
        try frames.seek(to: frameStart)
        guard case .frame(let bytes, _) = try frames.next() else {
            throw SpoolError(.torn, "the file changed while it was read", file: path, offset: frameStart)
        }
        var compressor = FrameCompressor()
        defer { compressor.deallocate() }
        let kept = try compressor.frame(of: UnsafeRawBufferPointer(rebasing: bytes[..<keptRecords]))
        try FileSystem.write(kept, to: output, file: file)
    }

    private mutating func indexAgain() throws(SpoolError) {
        let frames = FrameReader(try ByteInput.openRegular(path))
        (indexer, indexedSize) = try frames.begin(name, in: spool)
        while case .frame(let bytes, let offset) = try frames.next() {
            try indexer.consume(Chunk(bytes: bytes, file: path, offset: offset))
        }
    }
}
