import Audit
import CommandSupport
import Selection
import Spool
import Threading

/// Walks through what the user named, reading only what the range needs.
struct LogScan {
    let paths: [String]
    var range = LogRange()
    var selection = Selection()
    /// False where no values are shown, so that none can be there that were to be left out.
    var showsValues = true
    /// False for a sealed segment that need not be read, by its footer.
    var needs: (SegmentFooter) -> Bool = { _ in true }

    /// Segments of which more than the footer was read.
    private(set) var segmentsRead = 0

    init(_ paths: [String], _ range: LogRange = LogRange(), _ selection: Selection = Selection()) {
        self.paths = paths
        self.range = range
        self.selection = selection
        guard !selection.includesAllTables else { return }
        needs = { $0.relations.keys.contains { selection.mayIncludeData(joined: $0) } }
    }

    /// Hands on what happens, until the end or a request to stop.
    mutating func run(
        _ stop: StopRequest, afterChunk: () throws -> Void = {}, visit: (LogEvent, Layouts) throws -> Void
    ) throws {
        for path in paths {
            let reader = try RangeReader(path: path, range: range, needs: needs)
            var walker = LogWalker(range: range, selection: selection)
            let layouts = walker.layouts
            reading: while !stop.isRequested {
                switch try reader.next() {
                case .chunk(let chunk, let role):
                    try walker.take(chunk, role) { try visit($0, layouts) }
                    try afterChunk()
                    if walker.isPast { reader.skipSegment() }
                case .idle:
                    reader.wait(stop)
                case .finished:
                    break reading
                }
            }
            try walker.finish { try visit($0, layouts) }
            segmentsRead += reader.segmentsRead
            LogScan.warn(reader)
        }
        for text in showsValues ? selection.unmetColumnWarnings : [] {
            Output.warning(text, program: "inspect")
        }
    }

    /// Says what of the range is not there.
    static func warn(_ reader: RangeReader) {
        if let start = reader.beginsLate {
            Output.warning("the spool begins at \(start); what was before is not in it", program: "inspect")
        }
        if let tail = reader.unfinishedTail {
            Output.warning(
                "\(tail.file) ends at offset \(tail.offset) in a chunk that is not whole (yet); inspect verify says more",
                program: "inspect")
        }
    }
}
