import Postgres
import Spool

/// Where a spool's log ends: what a source must know of to continue it.
struct LogTail {
    /// The spool's folder.
    let path: String
    /// The header of the last segment.
    let header: SegmentHeader
    /// The end of the log.
    let end: LSN
    /// The last record is an end record.
    let hasEnd: Bool

    /// The end of a log whose open segment was recovered; nil when there is no log yet.
    init?(_ spool: SpoolDirectory, _ recovered: RecoveredSegment?) throws(SpoolError) {
        path = spool.path
        if let recovered {
            (header, end, hasEnd) = (recovered.header, recovered.end, recovered.hasEnd)
        } else {
            guard let last = try spool.segments().last else { return nil }
            let summary = try spool.summary(of: last)
            guard let footer = summary.footer else { return nil }
            (header, end, hasEnd) = (summary.header, footer.end, footer.hasEnd)
        }
    }

    /// The timeline on which it ends.
    var timeline: Timeline { Timeline(header.timeline, history: header.history) }

    /// What a slot at `confirmed` that is past the log's end has acknowledged cannot be had any more.
    func check(slot: String, confirmed: LSN) throws(CaptureError) {
        guard end < confirmed else { return }
        throw CaptureError(
            .gap,
            "the slot \"\(slot)\" is at \(confirmed), but the spool \(path) ends at \(end): the changes "
                + "between them were acknowledged and are not here. Restore the missing segments, or drop the slot, "
                + "empty the spool and start again from a new copy")
    }

    /// Checks that a server on `source` has everything that the log has. True when it is another timeline than the
    /// log's.
    func checkIsContinued(by source: Timeline) throws(CaptureError) -> Bool {
        let log = "the spool \(path) ends at \(end) on timeline \(header.timeline)"
        let way =
            "If the old server can run again, connect to it; otherwise drop the slot, use an empty --dir, and start again "
            + "from a new copy"
        let message: String
        switch source.relation(to: timeline, endingAt: end) {
        case .same: return false
        case .continues: return true
        case .parted(let fork):
            message =
                "the source is on timeline \(source.number), which parted from the log's at \(fork), but \(log): the new "
                + "server never had the changes between the two positions. \(way)"
        case .older:
            let fork = header.history?.end(of: source.number).map { ", which ended at \($0)" } ?? ""
            message =
                "the source is on timeline \(source.number)\(fork), but \(log): this is a server from before the failover. "
                + "Connect to the one that was promoted; with host=a,b target_session_attrs=primary libpq finds it"
        case .unrelated:
            let ends = source.history?.map { "\($0.timeline) until \($0.end)" }.joined(separator: ", ")
            message =
                "the source is on timeline \(source.number) (\(ends.map { "after \($0)" } ?? "its history is not known")), "
                + "but \(log), which is not in that history: the server was promoted or restored without what the log has. "
                + way
        }
        throw CaptureError(.timelineSwitch, message)
    }
}
