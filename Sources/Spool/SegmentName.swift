import Postgres

/// A segment's file name: `TTTTTTTT-SSSSSSSSSSSSSSSS.seg.lz4`, timeline and start position in hexadecimal, so that the
/// order of the names is commit order. `.partial` follows while the file is open.
public struct SegmentName: Hashable, Comparable, Sendable {
    /// The source's timeline.
    public let timeline: UInt32
    /// The end of the last commit before the segment.
    public let start: LSN
    /// The file is being written, or its writer was stopped.
    public let isPartial: Bool

    static let suffix = ".seg.lz4"
    static let partialSuffix = ".partial"

    /// The name of a segment that begins at `start`.
    public init(timeline: UInt32, start: LSN, isPartial: Bool) {
        self.timeline = timeline
        self.start = start
        self.isPartial = isPartial
    }

    /// The parts of a file name; nil when it names no segment.
    public init?(fileName: String) {
        var stem = Substring(fileName)
        isPartial = stem.hasSuffix(Self.suffix + Self.partialSuffix)
        if isPartial { stem = stem.dropLast(Self.partialSuffix.count) }
        guard stem.hasSuffix(Self.suffix) else { return nil }
        stem = stem.dropLast(Self.suffix.count)
        let parts = stem.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].count == 8, parts[1].count == 16,
            let timeline = UInt32(parts[0], radix: 16), let start = UInt64(parts[1], radix: 16)
        else { return nil }
        self.timeline = timeline
        self.start = LSN(rawValue: start)
        guard self.fileName == fileName else { return nil }
    }

    /// The file name.
    public var fileName: String {
        let digits = String(timeline, radix: 16, uppercase: true)
        let padded = String(repeating: "0", count: 8 - digits.count) + digits
        return padded + "-" + start.fileNameForm + Self.suffix + (isPartial ? Self.partialSuffix : "")
    }

    /// The name once the segment is complete.
    public var sealed: SegmentName {
        SegmentName(timeline: timeline, start: start, isPartial: false)
    }

    /// Commit order: by start position, whatever the timeline.
    public static func < (left: SegmentName, right: SegmentName) -> Bool {
        (left.start, left.timeline, left.isPartial ? 1 : 0) < (right.start, right.timeline, right.isPartial ? 1 : 0)
    }
}

extension SegmentName {
    /// A log has no holes and no overlaps: each segment begins where the one before it ends.
    ///
    /// - Throws: ``SpoolError`` with `gap`.
    func check(continues end: LSN, in spool: SpoolDirectory) throws(SpoolError) {
        guard start != end else { return }
        throw SpoolError(
            .gap, "the log ends at \(end) and continues at \(start): a segment is missing between them",
            file: spool.segmentsPath)
    }
}
