import PgOutput
import Postgres

/// A stretch of the log, by position or by time.
///
/// By position, a transaction belongs to it when it **ends** after the first bound, and at or before the second: that is
/// `CommitRange`. By time, it belongs to it when it committed at or after
/// the first bound, and at or before the second.
public struct LogRange: Sendable, Equatable {
    /// One end of a range.
    public enum Bound: Sendable, Equatable {
        /// A position.
        case position(LSN)
        /// A commit time.
        case time(Timestamp)

        /// Reads a position (`0/1A2B3C`) or a moment (`2026-01-31 12:00:00`, in UTC unless it has a zone).
        public init?(_ text: String) {
            if let position = LSN(text) {
                self = .position(position)
            } else if let time = Timestamp(text) {
                self = .time(time)
            } else {
                return nil
            }
        }
    }

    /// Where it begins; nil for the beginning of the log.
    public var from: Bound?
    /// Where it ends; nil for the end of the log.
    public var to: Bound?

    /// A range between two bounds.
    public init(from: Bound? = nil, to: Bound? = nil) {
        self.from = from
        self.to = to
    }

    /// The range is the whole log.
    public var isUnbounded: Bool { from == nil && to == nil }

    /// One of the bounds is a time.
    public var hasTime: Bool { earliest != nil || latest != nil }

    /// The bounds that are positions.
    public var positions: CommitRange { CommitRange(from: fromPosition, to: toPosition) }

    var fromPosition: LSN? {
        if case .position(let lsn) = from { lsn } else { nil }
    }
    var toPosition: LSN? {
        if case .position(let lsn) = to { lsn } else { nil }
    }
    private var earliest: Timestamp? {
        if case .time(let time) = from { time } else { nil }
    }
    private var latest: Timestamp? {
        if case .time(let time) = to { time } else { nil }
    }

    /// False when the transaction committed at a time outside the range.
    public func containsTime(of begin: Message.Begin) -> Bool {
        overlaps(earliest: begin.commitTime, latest: begin.commitTime)
    }

    /// True when something outside transactions, such as a watermark, is in the range. It has no time.
    public func contains(position: LSN) -> Bool { !hasTime && positions.contains(position) }

    /// False when no commit between two times can be in the range. A time that is not known may be any.
    func overlaps(earliest: Timestamp?, latest: Timestamp?) -> Bool {
        if let bound = self.earliest, let latest, latest < bound { return false }
        if let bound = self.latest, let earliest, earliest > bound { return false }
        return true
    }

    /// True when every transaction of a sealed segment is in the range, by what its footer says.
    public func containsAll(of footer: SegmentFooter) -> Bool {
        if let fromPosition, footer.start < fromPosition { return false }
        if let toPosition, footer.end > toPosition { return false }
        return !hasTime
            || footer.parts.allSatisfy { part in
                guard part.first != nil else { return true }
                guard let first = part.earliest.flatMap({ Timestamp($0) }),
                    let last = part.latest.flatMap({ Timestamp($0) })
                else { return false }
                return earliest ?? first <= first && latest ?? last >= last
            }
    }

    /// Which parts of a sealed segment hold what is in the range, whole transactions from their Begin on.
    func neededParts(_ footer: SegmentFooter) -> [Bool] {
        let parts = footer.parts
        var needed = [Bool](repeating: false, count: parts.count)
        guard fromPosition.map({ $0 < footer.end }) ?? true, toPosition.map({ $0 > footer.start }) ?? true else {
            return needed
        }
        // The part of the last commit before the range may hold the Begin of the first transaction in it.
        let start = fromPosition.flatMap { from in parts.lastIndex { $0.last.map { $0.lsn <= from } ?? false } } ?? 0
        var commitsBefore = footer.start
        for (index, part) in parts.enumerated() {
            if let toPosition, commitsBefore >= toPosition { break }
            commitsBefore = part.last?.lsn ?? commitsBefore
            guard index >= start else { continue }
            if !hasTime {
                needed[index] = true
            } else if part.last != nil,
                overlaps(
                    earliest: part.earliest.flatMap { Timestamp($0) }, latest: part.latest.flatMap { Timestamp($0) })
            {
                var first = index
                repeat {
                    needed[first] = true
                    first -= 1
                } while first >= 0 && parts[first].last == nil
                if first >= 0 { needed[first] = true }
            }
        }
        return needed
    }
}
