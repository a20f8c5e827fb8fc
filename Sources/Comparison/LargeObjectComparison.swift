import Copying
import Postgres

/// Compares the large objects of both sides by checksums that the servers compute. One thread's sessions.
package struct LargeObjectComparison {
    /// What stands for them among tables.
    package static let label = "large objects"

    package let source: Connection
    package let target: Connection

    package init(source: Connection, target: Connection) {
        self.source = source
        self.target = target
    }

    /// What was found about some of them.
    package struct Found {
        var sourceObjects = 0
        var targetObjects = 0
        /// The first that differ, by their ids.
        package var differing: [String] = []
    }

    /// Ranges of ids that together have everything, of either side: those of the source's batches, and what lies before.
    package static func batches(on source: Connection) throws -> [LargeObjectBatch] {
        var batches = try LargeObjectBatch.all(on: source)
        if batches.isEmpty { return [LargeObjectBatch(first: 0, end: nil)] }
        batches[0].first = 0
        return batches
    }

    /// Compares those in a range.
    ///
    /// - Parameter namedMax: so many are named.
    package func compare(_ batch: LargeObjectBatch, namedMax: Int) throws -> Found {
        let (ours, theirs) = (try hashes(source, batch), try hashes(target, batch))
        var found = Found(sourceObjects: ours.count, targetObjects: theirs.count)
        let all = Set(ours.keys).union(theirs.keys).filter { ours[$0] != theirs[$0] }
        for id in all.sorted().prefix(namedMax) {
            let what = theirs[id] == nil ? "not on the target" : ours[id] == nil ? "not on the source" : "differs"
            found.differing.append("\(what): (loid) = (\(id))")
        }
        return found
    }

    /// The ids of those in a range that are not the same.
    package func differing(_ batch: LargeObjectBatch) throws -> [UInt32] {
        let (ours, theirs) = (try hashes(source, batch), try hashes(target, batch))
        return Set(ours.keys).union(theirs.keys).filter { ours[$0] != theirs[$0] }.sorted()
    }

    /// Each object's checksum. It is of the bytes that a reader gets: a hole on one side may be zeros on the other. They
    /// are read in pieces, because an object may be larger than a value can be.
    private func hashes(_ connection: Connection, _ batch: LargeObjectBatch) throws -> [UInt32: String] {
        let result = try connection.execute(
            """
            SELECT o.oid, pg_catalog.md5(o.size OPERATOR(pg_catalog.||) coalesce(pg_catalog.string_agg(
                     pg_catalog.md5(pg_catalog.lo_get(o.oid, piece.start, \(Self.pieceBytes))), '' ORDER BY piece.start), ''))
              FROM (SELECT m.oid, pg_catalog.lo_lseek64(pg_catalog.lo_open(m.oid, \(Self.read)), 0, \(Self.end)) AS size
                      FROM pg_catalog.pg_largeobject_metadata m WHERE \(batch.condition) OFFSET 0) o
              LEFT JOIN LATERAL pg_catalog.generate_series(0, o.size - 1, \(Self.pieceBytes)) AS piece(start) ON true
             GROUP BY o.oid, o.size
            """, doing: "comparing large objects")
        var hashes: [UInt32: String] = [:]
        for index in 0..<result.rowCount {
            guard let id = result.text(index, 0).flatMap({ UInt32($0) }) else { continue }
            hashes[id] = result.text(index, 1)
        }
        return hashes
    }

    private static let pieceBytes = 1 << 20
    /// INV_READ.
    private static let read = 0x40000
    /// SEEK_END.
    private static let end = 2
}
