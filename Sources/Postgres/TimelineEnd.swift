/// Where a timeline of a server ends because another one begins there: one line of a timeline history file.
///
/// A server writes history files when it is promoted; TIMELINE_HISTORY sends them (PostgreSQL documentation, "Streaming
/// Replication Protocol"). Everything up to ``end`` is the same on both timelines, everything after it is not.
public struct TimelineEnd: Codable, Sendable, Equatable {
    /// The timeline that ended.
    public var timeline: UInt32
    /// The last position that its successor shares with it.
    public var end: LSN

    /// The end of `timeline`.
    public init(timeline: UInt32, end: LSN) {
        self.timeline = timeline
        self.end = end
    }
}

extension [TimelineEnd] {
    /// Where a timeline ended, by the history of one of its successors; nil when it is not in the history.
    public func end(of timeline: UInt32) -> LSN? {
        first { $0.timeline == timeline }?.end
    }
}
