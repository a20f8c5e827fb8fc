/// A timeline of a server, with the timelines that it comes from.
public struct Timeline: Sendable, Equatable {
    /// Its number.
    public var number: UInt32
    /// Where the timelines before it ended, the oldest first; nil when nothing says so.
    public var history: [TimelineEnd]?

    /// What a timeline is to a log.
    public enum Relation: Sendable, Equatable {
        /// The log's own.
        case same
        /// It continues the log: the log's timeline ended here, at or after the log's end.
        case continues(fork: LSN)
        /// It parted from the log's timeline here, before the log's end: the log has what this timeline never had.
        case parted(fork: LSN)
        /// It is older than the log's timeline.
        case older
        /// It does not come from the log's timeline.
        case unrelated
    }

    /// The timeline `number`; the first one has no history.
    public init(_ number: UInt32, history: [TimelineEnd]?) {
        self.number = number
        self.history = number == 1 ? [] : history
    }

    /// What this timeline is to a log that ends at `end` on the timeline `log`.
    public func relation(to log: Timeline, endingAt end: LSN) -> Relation {
        if number < log.number { return .older }
        // Two servers that were promoted apart may have timelines of the same number.
        let before = history?.prefix { $0.timeline < log.number }
        if let before, let own = log.history, Array(before) != own { return .unrelated }
        if number == log.number { return .same }
        guard let fork = history?.end(of: log.number) else { return .unrelated }
        return end.isCovered(by: fork) ? .continues(fork: fork) : .parted(fork: fork)
    }
}
