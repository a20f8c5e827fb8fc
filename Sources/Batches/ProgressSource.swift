import Postgres

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

    /// What a stream comes from.
    public init(_ preamble: BatchPreamble) {
        self.init(
            systemIdentifier: preamble.systemIdentifier, database: preamble.database, slot: preamble.slot,
            logID: preamble.logID, timeline: preamble.timeline, history: preamble.history)
    }

    /// What a segment's log comes from.
    public init(_ identity: StreamIdentity) {
        self.init(
            systemIdentifier: identity.systemIdentifier, database: identity.database, slot: identity.slot,
            logID: identity.logID, timeline: identity.timeline, history: identity.history)
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
    /// - Parameter accepted: another log that the user says continues this one.
    public func conflict(with source: ProgressSource, accepting accepted: String? = nil) -> ProgressConflict? {
        if isUnclaimed { return nil }
        guard systemIdentifier == source.systemIdentifier, database == source.database else { return .source }
        let isSameLog = logID.map { $0 == source.logID } ?? (slot == source.slot)
        guard isSameLog || (accepted != nil && accepted == source.logID) else { return .log }
        // 0 is a timeline that is not known.
        guard timeline > 0, timeline < source.timeline else { return nil }
        guard let end = source.history.end(of: timeline) else { return .unknownTimeline }
        return position <= end ? nil : .branchedOff(at: end)
    }
}
