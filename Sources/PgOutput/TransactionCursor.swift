import Postgres

/// Follows the transactions of a log: which are whole, which the source has sent again, which belong to a range.
///
/// All readers of the log ask this one, so that none takes what another refuses. Pure: it is told of each Begin and each
/// Commit, and says what that means.
///
/// - A Begin inside a transaction voids what came of it: the source sends it again after a reconnect.
/// - A transaction whose commit record begins before the end of the last one was read before.
/// - A transaction counts once its Commit has come, and that fits its Begin.
public struct TransactionCursor: Sendable {
    /// Where in the log the reader is.
    public enum State: Sendable, Equatable {
        /// Something was left out before this: perhaps in the middle of a transaction, which is not wanted then.
        case resumed
        /// Between two transactions.
        case outside
        /// In a transaction that is wanted, if its Commit comes.
        case inside(Message.Begin)
        /// In a transaction that was read before, or is not in the range.
        case passing(Message.Begin)
    }

    /// What a Commit means.
    public enum Closing: Sendable, Equatable {
        /// The transaction is whole, and in the range.
        case whole
        /// It began in the range, which ends inside its commit record: it counts as one whose Commit did not come.
        case cutOff
        /// It is not wanted.
        case passed
    }

    /// The transactions that are wanted.
    public let range: CommitRange
    /// Where in the log the reader is.
    public private(set) var state: State
    /// The end of the last commit, or of what lies before the log.
    public private(set) var lastEnd: LSN
    /// No transaction from here on can be in the range: positions rise.
    public private(set) var isPast = false

    /// A reader of transactions in `range`.
    ///
    /// - Parameters:
    ///   - lastEnd: what ends at or before this was read before.
    ///   - state: where the reader begins.
    public init(_ range: CommitRange = CommitRange(), after lastEnd: LSN = .zero, _ state: State = .outside) {
        self.range = range
        self.lastEnd = lastEnd
        self.state = state
    }

    /// In a transaction, wanted or not.
    public var isInTransaction: Bool {
        switch state {
        case .inside, .passing: true
        case .outside, .resumed: false
        }
    }

    /// In a transaction that is wanted.
    public var isInside: Bool { if case .inside = state { true } else { false } }

    /// A log, or a piece of one that stands for itself, begins: what ends at or before `start` is not in it.
    public mutating func start(at start: LSN) {
        self = TransactionCursor(range, after: start)
    }

    /// Something was left out before what comes now.
    public mutating func resume() { state = .resumed }

    /// Gives up the transaction that is open: its Commit does not come.
    public mutating func abandon() { state = .outside }

    /// A transaction begins. One that is open is void.
    ///
    /// - Parameter isSelected: false for a transaction that is not wanted for another reason than its position.
    /// - Returns: true when it is wanted.
    public mutating func begin(_ begin: Message.Begin, isSelected: Bool = true) -> Bool {
        let place = range.place(of: begin)
        if place == .after { isPast = true }
        let isWanted = place == .inside && begin.finalLSN >= lastEnd && isSelected
        state = isWanted ? .inside(begin) : .passing(begin)
        return isWanted
    }

    /// A transaction ends.
    ///
    /// - Throws: ``TransactionError`` when the Commit fits nothing that came before it, or the reader begins inside its
    ///   commit record.
    public mutating func commit(_ commit: Message.Commit) throws(TransactionError) -> Closing {
        let (begin, isWanted): (Message.Begin?, Bool) =
            switch state {
            case .outside: throw .outside(commit)
            case .resumed: (nil, false)
            case .passing(let begin): (begin, false)
            case .inside(let begin): (begin, true)
            }
        guard commit.endLSN > commit.commitLSN, begin?.finalLSN ?? commit.commitLSN == commit.commitLSN else {
            throw .ofAnother(commit, begin: begin?.finalLSN ?? commit.commitLSN)
        }
        if let start = range.from, commit.isAround(start) { throw .around(commit, start: start) }
        if begin != nil, commit.isAround(lastEnd) { throw .around(commit, start: lastEnd) }
        lastEnd = max(lastEnd, commit.endLSN)
        state = .outside
        guard range.cutsOff(commit) else { return isWanted ? .whole : .passed }
        isPast = true
        return isWanted ? .cutOff : .passed
    }
}

/// A Commit that makes no whole transaction of what came before it.
public enum TransactionError: Error, Sendable, Equatable {
    /// No Begin came before it.
    case outside(Message.Commit)
    /// It ends another transaction than the one whose Begin names a commit record at `begin`, or ends before it begins.
    case ofAnother(Message.Commit, begin: LSN)
    /// What is read begins at `start`, inside the commit record.
    case around(Message.Commit, start: LSN)

    /// The log is sound, and something is missing of it before this.
    public var isGap: Bool { if case .around = self { true } else { false } }
}

extension TransactionError: CustomStringConvertible {
    /// What is wrong, and for a gap what to do.
    public var description: String {
        switch self {
        case .outside(let commit): "a Commit at \(commit.commitLSN) comes outside a transaction"
        case .ofAnother(let commit, let begin) where begin == commit.commitLSN:
            "a Commit at \(commit.commitLSN) says that it ends at \(commit.endLSN)"
        case .ofAnother(let commit, let begin):
            "a Commit at \(commit.commitLSN) ends the transaction whose Begin says \(begin)"
        case .around(let commit, let start):
            "the start \(start) lies inside the commit record of transaction \(commit.commitLSN), which ends at "
                + "\(commit.endLSN): begin at \(commit.commitLSN) to have it, or at \(commit.endLSN) not to"
        }
    }
}
