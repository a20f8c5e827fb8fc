/// What a target's position is a position of.
public struct ProgressSource: Sendable, Equatable {
    /// The source cluster's `system_identifier`.
    public var systemIdentifier: String
    /// The source database.
    public var database: String
    /// The slot.
    public var slot: String
    /// The log that the changes come from; nil where nothing names it.
    public var logID: String?
    /// The source's timeline.
    public var timeline: UInt32
    /// How a user names a stream that comes from no log, but from the slot itself.
    public static let noLog = "none"
    /// Where the timelines before it ended.
    public var history: [TimelineEnd]

    /// One database of one server, read through a slot.
    public init(
        systemIdentifier: String, database: String, slot: String, logID: String?, timeline: UInt32,
        history: [TimelineEnd] = []
    ) {
        self.systemIdentifier = systemIdentifier
        self.database = database
        self.slot = slot
        self.logID = logID
        self.timeline = timeline
        self.history = history
    }
}

/// Why a stream may not continue from a position that a target has.
public enum ProgressConflict: Sendable, Equatable {
    /// The position is of another server or database.
    case source
    /// It is of another log.
    case log
    /// The source's history does not have the position's timeline.
    case unknownTimeline
    /// The source's timeline branched off before the position, at this one.
    case branchedOff(at: LSN)
}

extension ProgressRow {
    /// The row was made before it could be known what it is a position of.
    public var isUnclaimed: Bool { systemIdentifier.isEmpty }

    /// Why `source` may not continue from here; nil when it may. A source whose timeline is older than the position's has
    /// nothing to say about it: it may only repeat what the target has.
    ///
    /// - Parameter accepted: another log that the user says continues this one, or ``ProgressSource/noLog``.
    public func conflict(with source: ProgressSource, accepting accepted: String? = nil) -> ProgressConflict? {
        if isUnclaimed { return nil }
        guard systemIdentifier == source.systemIdentifier, database == source.database else { return .source }
        let isSameLog = logID.map { $0 == source.logID } ?? (slot == source.slot)
        guard isSameLog || accepted == source.logID ?? ProgressSource.noLog else { return .log }
        // 0 is a timeline that is not known.
        guard timeline > 0, timeline < source.timeline else { return nil }
        guard let end = source.history.end(of: timeline) else { return .unknownTimeline }
        return position <= end ? nil : .branchedOff(at: end)
    }
}
