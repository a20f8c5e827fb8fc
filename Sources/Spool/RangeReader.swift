import Glibc
import Postgres
import Threading

/// Reads a range of a spool, or of segments given by name, and by the footers' index decompresses only what it needs:
/// the parts that hold the range's transactions, and before them those that hold layouts.
public final class RangeReader {
    /// What was read.
    public enum Step {
        /// Whole records.
        case chunk(Chunk, Role)
        /// Nothing at present; a pipe may bring more.
        case idle
        /// The end.
        case finished
    }

    /// What a chunk is there for.
    public enum Role: Sendable {
        /// It follows on the chunk before it.
        case records
        /// Chunks before it were left out: it may begin inside a transaction.
        case resumed
        /// Only its header and its layouts matter.
        case layouts
    }

    private enum Input {
        case segment(SpoolDirectory, SegmentName)
        case file(String)
        case pipe(StreamReader)
    }

    private struct Current {
        var file: SegmentFile
        var pieces: [LogPiece]
        var isSeeking = true
        /// A `.partial` file of a spool, which may still be written.
        var isOpen: Bool
        var isOfSpool: Bool
        /// Before this offset nothing is torn: what cannot be read there is damaged.
        var soundSize: UInt64 = 0
        var sawFooter = false
    }

    private let range: LogRange
    private let needs: (SegmentFooter) -> Bool
    private var inputs: ArraySlice<Input> = []
    private var current: Current?
    private var pipe: StreamReader?
    private var pipeIsBegun = false
    /// Where the next segment of the spool must begin, if that is known.
    private var expected: LSN?

    /// Chunks decompressed so far.
    public private(set) var chunksRead = 0
    /// Segments of which more than the footer was read.
    public private(set) var segmentsRead = 0
    /// Where the first segment of a spool begins, if that is after the range's beginning: nothing before it is there.
    public private(set) var beginsLate: LSN?
    /// Where an open segment ends in a chunk that is not whole, or damaged: no more for now, as for every reader.
    public private(set) var unfinishedTail: (file: String, offset: UInt64)?

    /// Reads a path: the folder of a spool, a segment or several in a row, or `-` for standard input.
    ///
    /// - Parameter needs: false for a sealed segment that need not be read, by what its footer counts.
    /// - Throws: ``SpoolError``: `missing` when the folder is no spool.
    public init(
        path: String, range: LogRange = LogRange(), needs: @escaping (SegmentFooter) -> Bool = { _ in true }
    ) throws(SpoolError) {
        self.range = range
        self.needs = needs
        if path == "-" {
            inputs = [.pipe(StreamReader(descriptor: 0, name: "standard input"))]
        } else if FileSystem.isDirectory(path) {
            inputs = try segments(SpoolDirectory(path))
        } else {
            inputs = [FileSystem.isRegular(path) ? .file(path) : .pipe(try StreamReader(path: path))]
        }
    }

    /// The segments whose names do not rule them out.
    private func segments(_ spool: SpoolDirectory) throws(SpoolError) -> ArraySlice<Input> {
        let names = try spool.existingSegments()
        if let from = range.fromPosition, let first = names.first, first.start > from { beginsLate = first.start }
        let wanted = names.indices.filter { index in
            let end = index + 1 < names.count ? names[index + 1].start : nil
            if let from = range.fromPosition, let end, end <= from { return false }
            return range.toPosition.map { names[index].start < $0 } ?? true
        }
        return wanted.map { .segment(spool, names[$0]) }[...]
    }

    /// The next chunk.
    ///
    /// - Throws: ``SpoolError``: `corrupt` for damage in what is read, `gap` when a segment is missing in the range.
    public func next() throws(SpoolError) -> Step {
        while true {
            if let pipe {
                switch try pipe.next() {
                case .chunk(let chunk):
                    chunksRead += 1
                    defer { pipeIsBegun = true }
                    return .chunk(chunk, pipeIsBegun ? .records : .resumed)
                case .idle: return .idle
                case .finished: self.pipe = nil
                }
            } else if current != nil {
                if let (chunk, role) = try nextChunk() { return .chunk(chunk, role) }
                current = nil
            } else {
                guard let input = inputs.popFirst() else { return .finished }
                try open(input)
            }
        }
    }

    /// Leaves out the rest of the segment that is being read.
    public func skipSegment() {
        current = nil
    }

    /// Waits for a pipe.
    public func wait(_ stop: StopRequest) {
        pipe?.wait(stop, until: .never)
    }

    private func open(_ input: Input) throws(SpoolError) {
        switch input {
        case .pipe(let reader):
            pipe = reader
            pipeIsBegun = false
            segmentsRead += 1
        case .file(let path):
            try plan(path, isOfSpool: false)
        case .segment(let spool, let name):
            if let expected { try name.check(continues: expected, in: spool) }
            expected = nil
            let path = spool.segmentsPath + "/"
            // One that was open when the folder was listed may be sealed by now.
            let found = FileSystem.exists(path + name.fileName) ? name : name.sealed
            if !found.isPartial { try checkName(found, path + found.fileName) }
            if found.isPartial {
                try planOpen(found, path + found.fileName, in: spool)
            } else {
                try plan(path + found.fileName, isOfSpool: true)
            }
        }
    }

    /// A file that was renamed stands in for another segment.
    private func checkName(_ name: SegmentName, _ path: String) throws(SpoolError) {
        try SegmentFile(path).header().check(is: name, file: path)
    }

    /// Decides what to read of a sealed segment, or of a file.
    private func plan(_ path: String, isOfSpool: Bool) throws(SpoolError) {
        var pieces = LogPiece.whole
        if let footer = try index(path) {
            if isOfSpool { expected = footer.end }
            pieces = needs(footer) ? LogPiece.needed(of: footer, for: range) : []
            guard !pieces.isEmpty else { return }
        }
        segmentsRead += 1
        current = Current(file: try SegmentFile(path), pieces: pieces, isOpen: false, isOfSpool: isOfSpool)
    }

    /// Decides what to read of an open one, by the index that its writer has kept of most of it.
    private func planOpen(_ name: SegmentName, _ path: String, in spool: SpoolDirectory) throws(SpoolError) {
        segmentsRead += 1
        let file = try SegmentFile(path)
        var opened = Current(file: file, pieces: LogPiece.whole, isOpen: true, isOfSpool: true)
        if let checkpoint = SegmentCheckpoint.usable(name, file.frames.input, in: spool) {
            opened.pieces = LogPiece.needed(of: checkpoint, for: range)
            opened.soundSize = checkpoint.size
        }
        try file.frames.seek(to: 0)
        current = opened
    }

    /// The footer, if it is the index of the file from its first byte on. Without one, or with a damaged one, the file
    /// is read from its beginning.
    private func index(_ path: String) throws(SpoolError) -> SegmentFooter? {
        do throws(SpoolError) {
            let footer = try SegmentFile(path).footer()
            // Several segments in a row end with the footer of the last.
            let isOwn = try SegmentFile(path).header().start == footer.start
            let size = try FileSystem.size(path)
            return isOwn && footer.isPlausible(fileSize: size) ? footer : nil
        } catch {
            if case .io = error.code { throw error }
            return nil
        }
    }

    /// The next chunk of the segment; nil at its end.
    private func nextChunk() throws(SpoolError) -> (Chunk, Role)? {
        while let it = current, let piece = it.pieces.first {
            if it.isSeeking && piece.start > 0 { try it.file.frames.seek(to: piece.start) }
            if let end = piece.end, it.file.frames.input.position >= end {
                current?.pieces.removeFirst()
                current?.isSeeking = true
                continue
            }
            current?.isSeeking = false
            switch try step(it) {
            case .frame(let bytes, let offset):
                chunksRead += 1
                current?.sawFooter = false
                let role = it.isSeeking && piece.role == .records ? .resumed : piece.role
                return (Chunk(bytes: bytes, file: it.file.path, offset: offset), role)
            case .skippable(let bytes, let offset):
                current?.sawFooter = true
                if it.isOfSpool {
                    do throws(SpoolError) {
                        expected = try SegmentFooter(skippable: bytes, file: it.file.path, offset: offset).end
                    } catch  where error.code == .corrupt && it.isOpen {
                        unfinishedTail = (it.file.path, offset)
                        return nil
                    }
                }
            case .boundary:
                guard it.sawFooter || it.isOpen || !it.isOfSpool else {
                    throw SpoolError(
                        .corrupt, "the sealed segment ends without a footer; was it truncated?", file: it.file.path,
                        offset: it.file.frames.input.position)
                }
                return nil
            case .unfinished(let offset):
                guard it.isOpen else {
                    throw SpoolError(
                        it.isOfSpool ? .corrupt : .torn, "the segment ends in the middle of a chunk",
                        file: it.file.path, offset: offset)
                }
                unfinishedTail = (it.file.path, offset)
                return nil
            }
        }
        return nil
    }

    private func step(_ it: Current) throws(SpoolError) -> FrameReader.Step {
        do throws(SpoolError) {
            return try it.file.frames.next()
        } catch  where error.code == .corrupt && it.isOpen && error.offset ?? .max >= it.soundSize {
            // The tail of the open file may be torn; its writer will replace it.
            return .unfinished(offset: error.offset ?? it.file.frames.input.position)
        }
    }
}
