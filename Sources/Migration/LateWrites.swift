import Logging
import Observability
import Postgres
import Spool
import Threading

/// Changes that were committed on the source after the end position of a switchover: the log has what was received
/// since, and the slot the others.
struct LateWrites {
    /// So many changes are looked at; one is too many.
    private static let changesMax = 1_000

    let source: Connection
    let journal: CloneJournal
    let spool: SpoolDirectory

    /// How many there are.
    ///
    /// - Throws: `PostgresError`, also when the role may not look; `SpoolError` when the log cannot be read.
    func count(after end: LSN) throws -> Int {
        var log = Tally(after: end)
        try read(into: &log)
        let publications = try existing()
        guard !publications.isEmpty else { return log.count }
        // What was received and not confirmed is in both.
        let known = max(end, LSN(rawValue: (log.last?.rawValue ?? 0) + 1))
        let names = publications.map { Quoting.identifier($0) }.joined(separator: ",")
        let patience = Deadline.after(milliseconds: 10_000)
        while true {
            do throws(PostgresError) {
                return log.count + Self.count(try peek(names), after: known)
            } catch {
                // The session that received up to the end position is about to be gone.
                guard error.sqlState == .objectInUse, !patience.hasPassed else { throw error }
            }
            _ = Polling.wait(-1, until: .after(milliseconds: 20))
        }
    }

    /// No transaction but ours has got a number since the one that the end position is of, and all before were complete: so
    /// none can have been committed since.
    static func isQuiet(since xid: UInt64, _ source: Connection) throws -> Bool {
        let next = try source.execute(
            "SELECT pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot())",
            doing: "looking for changes after the end position"
        ).text(0, 0).flatMap { UInt64($0) }
        // The one after it is what waited for the end to be durable.
        return next == xid + 2
    }

    /// Counts the changes of whole transactions.
    struct Tally {
        private(set) var count = 0
        /// Where the commit of the last transaction that counts begins.
        private(set) var last: LSN?
        let end: LSN
        private var current: (commit: LSN, changes: Int)?

        init(after end: LSN) { self.end = end }

        /// Takes a message of the stream in its order.
        mutating func take(_ message: UnsafeRawBufferPointer) {
            switch message.first {
            case UInt8(ascii: "B"):
                // Its next eight bytes are where the commit begins.
                guard message.count >= 9 else { return current = nil }
                let commit = UInt64(bigEndian: message.loadUnaligned(fromByteOffset: 1, as: UInt64.self))
                current = commit >= end.rawValue ? (LSN(rawValue: commit), 0) : nil
            case UInt8(ascii: "C"):
                // A transaction that was received again counts once.
                if let current, current.changes > 0, current.commit > last ?? .zero {
                    count += current.changes
                    last = current.commit
                }
                current = nil
            case let kind? where LateWrites.changes.contains(kind): current?.changes += 1
            default: break
            }
        }
    }

    private func read(into tally: inout Tally) throws {
        guard let position = try spool.segments().first?.start else { return }
        let reader = try SpoolReader(spool, from: max(position, tally.end), follows: false)
        while case .chunk(let chunk) = try reader.next() {
            var cursor = RecordCursor(chunk)
            while let record = try cursor.next() {
                if record.kind == .change { tally.take(record.payload) }
            }
        }
    }

    private func peek(_ publications: String) throws(PostgresError) -> QueryResult {
        try source.query(
            """
            SELECT pg_catalog.get_byte(data, 0),
                   CASE pg_catalog.get_byte(data, 0) WHEN \(Self.begin)
                        THEN pg_catalog.encode(pg_catalog.substr(data, 2, 8), 'hex') END
              FROM pg_catalog.pg_logical_slot_peek_binary_changes($1, NULL, \(Self.changesMax),
                     'proto_version', '1', 'publication_names', $2)
            """, [journal.slot, publications], doing: "looking for changes after the end position")
    }

    private func existing() throws -> [String] {
        let names = journal.sendingPublications.map { Quoting.literal($0) }.joined(separator: ", ")
        let result = try source.execute(
            "SELECT pubname FROM pg_catalog.pg_publication WHERE pubname IN (\(names)) ORDER BY 1",
            doing: "looking for the publications")
        return result.column()
    }

    /// The message that begins a transaction; its next eight bytes are where the commit begins.
    private static let begin = UInt8(ascii: "B")

    private static let changes = Set("IUDT".utf8)

    private static func count(_ result: QueryResult, after end: LSN) -> Int {
        var isLate = false
        var count = 0
        for index in 0..<result.rowCount {
            guard let kind = result.text(index, 0).flatMap({ UInt8($0) }) else { continue }
            if kind == begin {
                isLate = result.text(index, 1).flatMap { UInt64($0, radix: 16) }.map { $0 >= end.rawValue } ?? false
            } else if isLate && changes.contains(kind) {
                count += 1
            }
        }
        return count
    }
}
