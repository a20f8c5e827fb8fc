import Glibc
import PgOutput
import Postgres
import Threading

/// Reads a spool's segments in commit order, from the one that holds a position on, and can follow the open one.
///
/// Takes no lock and never blocks the writer. Repeats of what was already read may appear after the writer was
/// restarted (it replaces a torn file by a repaired one, which is then read from its beginning); consumers drop
/// transactions whose commit they have seen.
public final class SpoolReader: ChunkSource {
    private let spool: SpoolDirectory
    private let from: LSN?
    private let follows: Bool
    private var current: OpenSegment?
    private var last: SegmentName?
    /// The segments of the last listing that come after what was read.
    private var listed: ArraySlice<SegmentName>
    /// The end of what was read: the next segment must begin here.
    private var expected: LSN
    private var sawEnd = false
    private let watch: DirectoryWatch?
    private let isEndless: Bool
    private var isFinished = false

    private struct OpenSegment {
        var name: SegmentName
        let frames: FrameReader
        let identity: FileIdentity?
        /// Follows the records from `indexedSize` on.
        var indexer: SegmentIndexer
        var indexedSize: UInt64 = 0
        /// Before this offset nothing is torn: what cannot be read there is damaged.
        var soundSize: UInt64 = 0
        /// At least its header was read.
        var isBegun = false
        /// Records that are handed out in place of a chunk: header and layouts of what is left out; what is left of a chunk.
        var substitute: ChunkBuffer?
        /// Something was left out before the next chunk, which may begin inside a transaction.
        var isResumed = false
    }

    /// Opens the spool at the segment that holds `from`, or at its first.
    ///
    /// - Parameters:
    ///   - follows: at the end of what is written, wait for more instead of ending.
    ///   - isEndless: an end record does not end a reader that follows: the log may be resumed.
    /// - Throws: ``SpoolError``: `missing` when there is no spool, `gap` when its first segment begins after `from`.
    public init(
        _ spool: SpoolDirectory, from: LSN?, follows: Bool, isEndless: Bool = false
    ) throws(SpoolError) {
        self.spool = spool
        self.from = from
        self.follows = follows
        self.isEndless = isEndless
        guard follows || FileSystem.isDirectory(spool.segmentsPath) else {
            throw SpoolError(
                .missing, "there is no spool here; receive makes one, or name the folder with --dir", file: spool.path)
        }
        watch = follows && !VirtualTime.isBound ? DirectoryWatch(spool.segmentsPath) : nil
        let segments = try spool.segments()
        let first = try SpoolReader.first(of: segments, from: from, spool: spool)
        expected = first?.start ?? from ?? .zero
        listed = segments[...]
        if let first { current = try open(first, after: from) }
    }

    private static func first(
        of segments: [SegmentName], from: LSN?, spool: SpoolDirectory
    ) throws(SpoolError) -> SegmentName? {
        guard let from else { return segments.first }
        let holding = segments.last { $0.start <= from }
        guard holding != nil || segments.isEmpty else {
            throw SpoolError(
                .gap,
                "the spool begins at \(segments[0].start), after the position \(from), and the segments before it are gone: "
                    + "put them back from an archive, or start from a new copy",
                file: spool.path)
        }
        return holding
    }

    /// Opens a segment.
    ///
    /// - Parameter position: what ends at or before it is not wanted. It is left out where the writer's index tells where
    ///   that is.
    private func open(_ name: SegmentName, after position: LSN? = nil) throws(SpoolError) -> OpenSegment {
        let path = spool.segmentsPath + "/" + name.fileName
        let input: ByteInput
        do throws(SpoolError) {
            input = try ByteInput.openRegular(path)
        } catch  where error.code == .io(errno: ENOENT) && name.isPartial {
            // It was sealed between the listing and now.
            return try open(name.sealed)
        }
        var segment = OpenSegment(
            name: name, frames: FrameReader(input), identity: input.fileIdentity(),
            indexer: SegmentIndexer(start: name.start))
        try skip(to: position ?? .zero, &segment)
        return segment
    }

    /// Goes to the part of an open segment that holds what comes after a position.
    private func skip(to position: LSN, _ segment: inout OpenSegment) throws(SpoolError) {
        let frames = segment.frames
        if let checkpoint = SegmentCheckpoint.usable(segment.name, frames.input, in: spool),
            let indexer = SegmentIndexer(checkpoint.index)
        {
            let pieces = LogPiece.needed(of: checkpoint, for: LogRange(from: .position(position)))
            segment.soundSize = checkpoint.size
            if let last = pieces.last, last.start > 0 {
                segment.substitute = try opening(segment, pieces.dropLast())
                (segment.indexer, segment.indexedSize) = (indexer, checkpoint.size)
                segment.isResumed = true
                return try frames.seek(to: last.start)
            }
        }
        try frames.seek(to: 0)
    }

    /// The header and the layouts of pieces.
    private func opening(_ segment: OpenSegment, _ pieces: ArraySlice<LogPiece>) throws(SpoolError) -> ChunkBuffer {
        let opening = ChunkBuffer(capacity: 64 << 10)
        var layouts = LayoutRecords()
        let frames = segment.frames
        for piece in pieces {
            try frames.seek(to: piece.start)
            while frames.input.position < piece.end ?? .max, case .frame(let bytes, let offset) = try frames.next() {
                let chunk = Chunk(bytes: bytes, file: segment.name.fileName, offset: offset)
                if offset == 0 { try checkHeader(chunk, segment.name) }
                var cursor = RecordCursor(chunk)
                while let record = try cursor.next() {
                    let whole = chunk.bytes(of: record)
                    if record.kind == .header { opening.append(whole) }
                    if LayoutRecords.isLayout(record) { try layouts.keep(record, whole, file: chunk.file) }
                }
            }
        }
        layouts.forEach { opening.append($0) }
        return opening
    }

    /// The next chunk; at the end of what is written `idle` when following, else `finished`.
    ///
    /// - Throws: ``SpoolError``: `corrupt` for damage in a sealed segment, `gap` when the next segment does not begin
    ///   where the last one ended.
    public func next() throws(SpoolError) -> ChunkStep {
        if let opening = current?.substitute, current?.isBegun == false {
            current?.isBegun = true
            return .chunk(Chunk(bytes: opening.bytes, file: current?.name.fileName ?? "", offset: 0))
        }
        while !isFinished {
            guard current != nil else {
                guard try openNext() else { return atEnd() }
                continue
            }
            switch try nextFrame() {
            case .frame(let bytes, let offset):
                return .chunk(try follow(bytes, offset: offset))
            case .skippable(let bytes, let offset):
                guard try isFooter(bytes, offset) else { return try atTail() }
                expected = current?.indexer.footer.end ?? expected
                sawEnd = current?.indexer.hasEnd ?? false
                last = current?.name
                current = nil
            case .boundary, .unfinished:
                guard try reopenIfReplaced() else { return try atTail() }
            }
        }
        return .finished
    }

    /// False for a damaged footer of the open file, which a crash left there: until the writer has replaced the file, there
    /// is no more.
    private func isFooter(_ bytes: [UInt8], _ offset: UInt64) throws(SpoolError) -> Bool {
        do throws(SpoolError) {
            try checkFooter(bytes, offset)
            return true
        } catch  where error.code == .corrupt && isOpenForWriting(current) {
            return false
        }
    }

    /// A reader takes nothing that an audit of the segment would call corrupt.
    private func checkFooter(_ bytes: [UInt8], _ offset: UInt64) throws(SpoolError) {
        guard let segment = current else { return }
        let path = spool.segmentsPath + "/" + segment.name.fileName
        try SegmentFooter(skippable: bytes, file: path, offset: offset)
            .check(against: segment.indexer, path: path, offset: offset)
        guard case .boundary = try segment.frames.next() else {
            throw SpoolError(
                .corrupt, "there are bytes after the footer", file: path, offset: segment.frames.input.position)
        }
    }

    /// A file that was renamed stands in for another segment.
    private func checkHeader(_ chunk: Chunk, _ name: SegmentName) throws(SpoolError) {
        var cursor = RecordCursor(chunk)
        guard let record = try cursor.next(), record.kind == .header else { return }
        try SegmentHeader(payload: record.payload, file: chunk.file).check(
            is: name, file: spool.segmentsPath + "/" + chunk.file)
    }

    private func nextFrame() throws(SpoolError) -> FrameReader.Step {
        guard let segment = current else { return .boundary }
        do throws(SpoolError) {
            return try segment.frames.next()
        } catch  where error.code == .corrupt && isOpenForWriting(segment) {
            // The tail of the open file may be torn; its writer will replace it. Until then, there is no more.
            if let offset = error.offset, offset < segment.soundSize { throw error }
            return .unfinished(offset: error.offset ?? 0)
        }
    }

    /// True while the file that is read was not sealed. The writer may have replaced it, and sealed what it put there.
    private func isOpenForWriting(_ segment: OpenSegment?) -> Bool {
        guard let segment, segment.name.isPartial else { return false }
        let sealed = FileSystem.identity(spool.segmentsPath + "/" + segment.name.sealed.fileName)
        return sealed == nil || sealed != segment.identity
    }

    private func follow(_ bytes: UnsafeRawBufferPointer, offset: UInt64) throws(SpoolError) -> Chunk {
        let chunk = Chunk(bytes: bytes, file: current?.name.fileName ?? "", offset: offset)
        if let segment = current, !segment.isBegun { try checkHeader(chunk, segment.name) }
        current?.isBegun = true
        if let indexed = current?.indexedSize, offset >= indexed { try current?.indexer.consume(chunk) }
        guard current?.isResumed == true else { return chunk }
        return try wanted(of: chunk)
    }

    /// Of chunks behind something that was left out, the layouts, and all from where a transaction begins.
    private func wanted(of chunk: Chunk) throws(SpoolError) -> Chunk {
        let kept = ChunkBuffer(capacity: chunk.bytes.count)
        var cursor = RecordCursor(chunk)
        while let record = try cursor.next() {
            let kind = record.kind == .change ? MessageKind(rawValue: record.payload.first ?? 0) : nil
            if kind == .begin { current?.isResumed = false }
            if current?.isResumed == false || record.kind != .change || LayoutRecords.isLayout(record) {
                kept.append(chunk.bytes(of: record))
            }
            if kind == .commit { current?.isResumed = false }
        }
        current?.substitute = kept
        return Chunk(bytes: kept.bytes, file: chunk.file, offset: chunk.offset)
    }

    /// The end of the file, without a footer.
    private func atTail() throws(SpoolError) -> ChunkStep {
        guard let segment = current else { return atEnd() }
        if !segment.name.isPartial {
            throw SpoolError(
                .corrupt, "the sealed segment ends without a footer; was it truncated?",
                file: spool.segmentsPath + "/" + segment.name.fileName, offset: segment.frames.input.position)
        }
        sawEnd = segment.indexer.hasEnd
        return atEnd()
    }

    private func atEnd() -> ChunkStep {
        if follows && (isEndless || !sawEnd) { return .idle }
        isFinished = true
        return .finished
    }

    /// After a crash the writer replaces the open file by a repaired copy: read that one from its beginning.
    private func reopenIfReplaced() throws(SpoolError) -> Bool {
        guard let segment = current else { return false }
        let path = spool.segmentsPath + "/"
        let identity =
            FileSystem.identity(path + segment.name.fileName)
            ?? FileSystem.identity(path + segment.name.sealed.fileName)
        if identity == segment.identity {
            if segment.name.isPartial && FileSystem.exists(path + segment.name.sealed.fileName) {
                // Sealed since the last read: the footer is there to be read now.
                current?.name = segment.name.sealed
                return true
            }
            return false
        }
        guard identity != nil else {
            if !segment.isBegun {
                // A writer that died before the header's end: the next one puts the file aside and restarts it.
                current = nil
                return true
            }
            throw SpoolError(.gap, "the segment was removed while it was read", file: path + segment.name.fileName)
        }
        current = try open(segment.name, after: max(from ?? .zero, segment.indexer.footer.end))
        return true
    }

    private func openNext() throws(SpoolError) -> Bool {
        guard let last else {
            // The spool was empty when it was opened.
            let segments = try spool.segments()
            guard let first = try SpoolReader.first(of: segments, from: from, spool: spool) else { return false }
            expected = first.start
            listed = segments[...]
            current = try open(first, after: from)
            return true
        }
        // One listing serves for all segments that it has: a spool may have tens of thousands.
        if let later = later(than: last), later.start == expected,
            FileSystem.exists(spool.segmentsPath + "/" + later.fileName)
        {
            current = try open(later)
            sawEnd = false
            return true
        }
        listed = try spool.segments()[...]
        guard let later = later(than: last) else { return false }
        try later.check(continues: expected, in: spool)
        current = try open(later)
        sawEnd = false
        return true
    }

    /// The segment that comes next in the listing. An empty segment ends where it begins, and the next one, on another
    /// timeline, has a later name.
    private func later(than last: SegmentName) -> SegmentName? {
        listed = listed.drop { $0.start < expected || $0.sealed <= last.sealed }
        return listed.first
    }

    /// Waits for the writer.
    public func wait(_ stop: StopRequest, until deadline: Deadline) {
        // Without a watch (the system's limit is reached) looking every 20 ms has to do.
        let descriptor = watch?.descriptor ?? -1
        let until = descriptor < 0 ? min(deadline, .after(milliseconds: 20)) : deadline
        _ = Polling.wait(descriptor, stop.descriptor, until: until)
        watch?.drain()
    }
}

/// Tells by inotify that something in a folder was written, created or renamed.
final class DirectoryWatch {
    let descriptor: Int32

    init?(_ path: String) {
        descriptor = inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC))
        guard descriptor >= 0 else { return nil }
        let mask = UInt32(IN_MODIFY | IN_CREATE | IN_MOVED_TO)
        // The descriptor is closed by deinit, which also runs when an initializer fails.
        guard inotify_add_watch(descriptor, path, mask) >= 0 else { return nil }
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    func drain() {
        withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 8) { buffer in
            while read(descriptor, buffer.baseAddress, buffer.count) > 0 {}
        }
    }
}
