import Postgres

/// What an audit found of one segment.
public struct SegmentReport: Codable, Sendable, Equatable {
    /// How a segment is.
    public enum State: String, Codable, Sendable {
        /// Sealed and whole.
        case ok = "OK"
        /// Being written, or left by a stopped writer; whole as far as it goes.
        case open = "OPEN"
        /// Open, and ending in the middle of a chunk; the writer cuts it when it continues.
        case torn = "TORN"
        /// Whole, but the segment before it does not end where it begins.
        case gap = "GAP"
        /// Damaged.
        case corrupt = "CORRUPT"
        /// From another source than the spool.
        case foreign = "FOREIGN"
        /// On another timeline than the segment before it, and not one that continues it by its history.
        case timelineSwitch = "TIMELINE-SWITCH"
        /// The system could not read it; nothing is known of what it holds.
        case unreadable = "UNREADABLE"
    }

    /// The file.
    public var file: String
    /// How it is.
    public var state: State
    /// Its start position.
    public var start: LSN?
    /// The end of its last whole commit or watermark, as far as it can be read.
    public var end: LSN?
    /// Committed transactions.
    public var transactions = 0
    /// Row changes.
    public var changes = 0
    /// The timeline of the segment before it, when this one's continues it.
    public var previousTimeline: UInt32?
    /// What is wrong, and the LSN range concerned; or that the timeline changed here, as it may.
    public var message: String?
    /// Where the first damaged chunk begins in the file, in bytes.
    public var offset: UInt64?
    /// The transactions that cannot be had end after this position …
    public var lostAfter: LSN?
    /// … and at or before this one; nil when nothing tells.
    public var lostUpTo: LSN?
    /// The header, if it can be read.
    var header: SegmentHeader?

    enum CodingKeys: String, CodingKey {
        case file, state, start, end, transactions, changes, message, offset
        case previousTimeline = "previous_timeline"
        case lostAfter = "lost_after"
        case lostUpTo = "lost_up_to"
    }

    init(file: String, state: State) {
        self.file = file
        self.state = state
    }

    /// True for a segment that a reader can trust.
    public var isSound: Bool { state == .ok || state == .open }

    /// The file's name by itself.
    public var fileName: String { file.split(separator: "/").last.map(String.init) ?? file }

    /// The LSN range that is lost, in words.
    public var lostRange: String? {
        guard let lostAfter else { return nil }
        if lostAfter == lostUpTo { return "no transaction is lost" }
        return "lost: transactions after \(lostAfter)" + (lostUpTo.map { " up to \($0)" } ?? "")
    }
}
