import PgOutput
import Postgres
import Spool

/// Where in a log a position or a time is: the first transaction that ends at or after it.
public struct LogPlace: Sendable, Equatable {
    /// The segment's file.
    public let file: String
    /// Where the chunk with the transaction's commit begins in it, in bytes.
    public let offset: UInt64
    /// The transaction's Begin message.
    public let begin: Message.Begin
    /// The transaction's end.
    public let end: LSN
    /// The end of the transaction before it, or of the log's start: the position from which it is the first.
    public let previous: LSN

    /// Looks for a place in the spool or file at a path. Nil when the log has no such transaction.
    ///
    /// Reads the parts of the log that may hold it, and only up to it.
    ///
    /// - Throws: ``SpoolError``.
    public static func find(_ bound: LogRange.Bound, in path: String) throws -> LogPlace? {
        let reader = try RangeReader(path: path, range: LogRange(from: start(bound)))
        var walker = LogWalker()
        var previous = LSN.zero
        var found: LogPlace?
        while case .chunk(let chunk, let role) = try reader.next() {
            try walker.take(chunk, role) { event in
                guard found == nil else { return }
                switch event {
                case .segment(let header, _, _): previous = max(previous, header.start)
                case .commit(let commit, let transaction):
                    if isAtOrAfter(bound, commit) {
                        found = LogPlace(
                            file: chunk.file, offset: chunk.offset, begin: transaction.begin, end: commit.endLSN,
                            previous: previous)
                    }
                    previous = commit.endLSN
                default: break
                }
            }
            if found != nil { break }
        }
        return found
    }

    /// The transaction that ends at a position ends before what is after it.
    private static func start(_ bound: LogRange.Bound) -> LogRange.Bound {
        if case .position(let lsn) = bound, lsn > .zero { return .position(LSN(rawValue: lsn.rawValue - 1)) }
        return bound
    }

    private static func isAtOrAfter(_ bound: LogRange.Bound, _ commit: Message.Commit) -> Bool {
        switch bound {
        case .position(let lsn): commit.endLSN >= lsn
        case .time(let time): commit.commitTime >= time
        }
    }
}
