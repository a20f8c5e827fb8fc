import Postgres

/// A run of chunks of a segment that is to be read.
struct LogPiece {
    /// The offset of its first frame.
    var start: UInt64
    /// Where the next piece begins; nil for the end of the file.
    var end: UInt64?
    /// What its chunks are there for.
    var role: RangeReader.Role

    /// All of a segment.
    static let whole = [LogPiece(start: 0, end: nil, role: .records)]

    /// What a range needs of a sealed segment: nothing, or the parts that hold its transactions, and before them the header
    /// and those that hold layouts.
    static func needed(of footer: SegmentFooter, for range: LogRange) -> [LogPiece] {
        pieces(footer, range.neededParts(footer))
    }

    /// What a range needs of an open one: the same, and all that follows the index.
    static func needed(of checkpoint: SegmentCheckpoint, for range: LogRange) -> [LogPiece] {
        var footer = checkpoint.index.footer
        let needed = range.neededParts(footer) + [true]
        footer.parts.append(SegmentFooter.Part(offset: checkpoint.size))
        return pieces(footer, needed)
    }

    private static func pieces(_ footer: SegmentFooter, _ needed: [Bool]) -> [LogPiece] {
        guard let last = needed.lastIndex(of: true) else { return [] }
        if needed.allSatisfy({ $0 }) { return whole }
        // The header has a frame of its own.
        var pieces = needed[0] || footer.parts[0].hasRelations ? [] : [LogPiece(start: 0, end: 1, role: .layouts)]
        for index in 0...last where needed[index] || footer.parts[index].hasRelations {
            let end = index + 1 < footer.parts.count ? footer.parts[index + 1].offset : nil
            let role: RangeReader.Role = needed[index] ? .records : .layouts
            if let previous = pieces.last, previous.end == footer.parts[index].offset, previous.role == role {
                pieces[pieces.count - 1].end = end
            } else {
                pieces.append(LogPiece(start: footer.parts[index].offset, end: end, role: role))
            }
        }
        return pieces
    }
}
