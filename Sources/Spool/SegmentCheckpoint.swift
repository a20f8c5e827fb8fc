import Glibc
import Postgres

/// The index of an open segment up to a commit near its end, so that readers and the next writer need not read it whole.
///
/// `state/open.index` holds the XXH64 of what follows as 16 hexadecimal digits, a line end, and this structure as JSON. It is
/// written once the segment is durable so far. It is no part of the log: one that is missing, damaged, or of another
/// file costs a reader time and nothing else.
struct SegmentCheckpoint: Codable {
    /// The segment.
    var timeline: UInt32
    /// Where the file was synced and ends a frame whose last record is a boundary, in bytes.
    var size: UInt64
    /// XXH64 of the bytes before that: another file of the same name has others.
    var tail: String
    /// The index so far.
    var index: SegmentIndexer.Snapshot

    /// How many bytes tell a file from another.
    private static let tailSize: UInt64 = 4096
    private static let sumSize = 17

    /// What is kept of a segment that has `size` bytes; nil in the middle of something.
    init?(_ indexer: SegmentIndexer, timeline: UInt32, size: UInt64, path: String) throws(SpoolError) {
        guard let index = indexer.snapshot else { return nil }
        self.timeline = timeline
        self.size = size
        self.index = index
        tail = ""
        guard let tail = try SegmentCheckpoint.tail(of: ByteInput.openRegular(path), before: size) else { return nil }
        self.tail = tail
    }

    /// Puts it in the place of the last one.
    func save(to spool: SpoolDirectory) throws(SpoolError) {
        let json = JSON.encode(self)
        let sum = json.withUnsafeBytes { XXH64.hash($0).hexDigits } + "\n"
        try FileSystem.replace(spool.openIndexPath, with: Array(sum.utf8) + json, in: spool.statePath)
    }

    /// What is kept of an open segment whose file `input` reads; nil when that has to be read from its beginning. Leaves the
    /// input anywhere.
    static func usable(_ name: SegmentName, _ input: ByteInput, in spool: SpoolDirectory) -> SegmentCheckpoint? {
        guard name.isPartial, !UnsyncedMark.isSet(spool.segmentsPath + "/" + name.fileName),
            let bytes = try? FileSystem.read(spool.openIndexPath, limit: 256 << 20),
            let found = decoded(bytes, spool.openIndexPath)
        else { return nil }
        let footer = found.index.footer
        guard footer.start == name.start, found.timeline == name.timeline, footer.isPlausible(fileSize: found.size)
        else { return nil }
        return (try? tail(of: input, before: found.size)) == found.tail ? found : nil
    }

    private static func decoded(_ bytes: [UInt8], _ path: String) -> SegmentCheckpoint? {
        bytes.withUnsafeBytes { all in
            guard all.count > sumSize else { return nil }
            let json = UnsafeRawBufferPointer(rebasing: all[sumSize...])
            guard all.starts(with: (XXH64.hash(json).hexDigits + "\n").utf8) else { return nil }
            return try? JSON.decode(json, what: "the open segment's index", file: path)
        }
    }

    /// Nil when the file is shorter.
    private static func tail(of input: ByteInput, before size: UInt64) throws(SpoolError) -> String? {
        let start = size - min(size, tailSize)
        try input.seek(to: start)
        while input.available.count < Int(size - start) {
            guard try input.fill() else { return nil }
        }
        return XXH64.hash(UnsafeRawBufferPointer(rebasing: input.available[..<Int(size - start)])).hexDigits
    }
}

extension FrameReader {
    /// Goes to where an open segment has no index any more, or to its beginning. Says what came before, and where it is.
    func begin(
        _ name: SegmentName, in spool: SpoolDirectory
    ) throws(SpoolError) -> (indexer: SegmentIndexer, offset: UInt64) {
        if let checkpoint = SegmentCheckpoint.usable(name, input, in: spool),
            let indexer = SegmentIndexer(checkpoint.index)
        {
            try seek(to: checkpoint.size)
            return (indexer, checkpoint.size)
        }
        try seek(to: 0)
        return (SegmentIndexer(start: name.start), 0)
    }
}
