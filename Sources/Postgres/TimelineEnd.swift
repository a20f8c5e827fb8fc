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

extension [TimelineEnd] {
    /// Reads a timeline history file: a line for each timeline that ended, the oldest first, with its number, the
    /// position, and a reason. Empty lines and those that begin with `#` say nothing.
    ///
    /// - Throws: ``PostgresError`` with `unexpectedAnswer` for what a server does not accept either.
    public init(historyFile text: String) throws(PostgresError) {
        self.init()
        for line in text.split(whereSeparator: \.isNewline) {
            let words = line.split(whereSeparator: \.isWhitespace)
            guard let first = words.first, !first.hasPrefix("#") else { continue }
            guard let timeline = UInt32(first), words.count >= 2, let end = LSN(words[1]),
                timeline > last?.timeline ?? 0, end >= last?.end ?? .zero
            else {
                throw PostgresError(
                    .unexpectedAnswer, "the timeline history has a line that cannot be read: \(line.prefix(100))",
                    doing: "reading the timeline history")
            }
            append(TimelineEnd(timeline: timeline, end: end))
        }
    }
}
