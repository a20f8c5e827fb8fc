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
        try search(path, LogRange(from: start(bound)), first: true) { isAtOrAfter(bound, $0) }
    }

    /// Looks in a spool for the last transaction, in the order of commits, that committed at or before a time. Nil when
    /// there is none.
    ///
    /// Begins at the end of the log, and reads only the part that holds it.
    ///
    /// - Throws: `SpoolError`.
    public static func last(notAfter time: Timestamp, in spool: SpoolDirectory) throws -> LogPlace? {
        for name in try spool.existingSegments().reversed() {
            var range = LogRange(to: .time(time))
            let footer = try spool.summary(of: name).footer
            if let footer {
                let parts = footer.parts
                let holding = parts.lastIndex {
                    $0.earliest.flatMap { Timestamp($0) }.map { $0 <= time } ?? ($0.last != nil)
                }
                guard let holding else { continue }
                range.from = parts[..<holding].last { $0.last != nil }?.last.map { .position($0.lsn) }
            }
            let file = footer == nil ? name : name.sealed
            let place = try search(spool.segmentsPath + "/" + file.fileName, range, first: false) {
                $0.commitTime <= time
            }
            if let place { return place }
        }
        return nil
    }

    /// The first of the transactions that are wanted, or the last of them, in what must be read for a range.
    private static func search(
        _ path: String, _ range: LogRange, first: Bool, isWanted: (Message.Commit) -> Bool
    ) throws -> LogPlace? {
        let reader = try RangeReader(path: path, range: range)
        var walker = LogWalker()
        var found: LogPlace?
        while case .chunk(let chunk, let role) = try reader.next() {
            try walker.take(chunk, role) { event in
                guard case .commit(let commit, let transaction) = event, found == nil || !first, isWanted(commit) else {
                    return
                }
                found = LogPlace(
                    file: chunk.file, offset: chunk.offset, begin: transaction.begin, end: commit.endLSN,
                    previous: transaction.previous)
            }
            if first && found != nil { break }
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
