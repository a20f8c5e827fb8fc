import Postgres

/// A stretch of a source's history by position: the transactions that end after `from`, and at or before `to`.
///
/// A Begin message says where the transaction's commit record begins, and a position is the end of such a record. So one
/// whose record begins before a position ends at or before it, and a reader need not wait for its end. Only a bound
/// *inside* a commit record, which is no transaction's position, is found out at that end.
public struct CommitRange: Sendable, Equatable {
    /// The position after which it begins; nil for the beginning of the log.
    public var from: LSN?
    /// The position at which it ends; nil for the end of the log.
    public var to: LSN?

    /// A stretch between two positions.
    public init(from: LSN? = nil, to: LSN? = nil) {
        self.from = from
        self.to = to
    }

    /// Where a transaction lies.
    public enum Place: Sendable {
        /// It ends at or before the first bound, unless that lies inside its commit record.
        case before
        /// It ends in the range, unless the second bound lies inside its commit record.
        case inside
        /// It ends after the range, and so do all that follow it.
        case after
    }

    /// Where a transaction lies, as far as its beginning tells.
    public func place(of begin: Message.Begin) -> Place {
        if let from, begin.finalLSN < from { return .before }
        if let to, begin.finalLSN >= to { return .after }
        return .inside
    }

    /// True when the range ends inside the commit record: the transaction is not a part of it then.
    public func cutsOff(_ commit: Message.Commit) -> Bool {
        to.map(commit.isAround) ?? false
    }

    /// True when something outside transactions, such as a watermark, is in the range.
    public func contains(_ position: LSN) -> Bool {
        position > from ?? .zero && position <= to ?? LSN(rawValue: .max)
    }
}

extension Message.Commit {
    /// The position lies inside the commit record, where no transaction ends.
    func isAround(_ position: LSN) -> Bool { commitLSN < position && position < endLSN }
}
