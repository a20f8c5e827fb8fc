import Logging
import Observability
import Postgres
import Threading

/// Changes that were committed on the source after the end position of a switchover: the slot still has them.
struct LateWrites {
    /// So many changes are looked at; one is too many.
    private static let changesMax = 1_000

    let source: Connection
    let journal: CloneJournal

    /// How many there are.
    ///
    /// - Throws: `PostgresError`, also when the role may not look.
    func count(after end: LSN) throws -> Int {
        let publications = try existing()
        guard !publications.isEmpty else { return 0 }
        let names = publications.map { Quoting.identifier($0) }.joined(separator: ",")
        let patience = Deadline.after(milliseconds: 10_000)
        while true {
            do throws(PostgresError) {
                return Self.count(try peek(names), after: end)
            } catch {
                // The session that received up to the end position is about to be gone.
                guard error.sqlState == .objectInUse, !patience.hasPassed else { throw error }
            }
            _ = Polling.wait(-1, until: .after(milliseconds: 20))
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

    private static func count(_ result: QueryResult, after end: LSN) -> Int {
        let changes = Set("IUDT".utf8)
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
