import PgOutput
import Postgres

/// What a chunk of changes holds, known without reading it, so that it can join a segment as it is.
public struct ChunkSummary: Sendable {
    /// The changes of one table.
    public struct Table: Sendable {
        /// The table's OID.
        public let relation: UInt32
        /// The LSN of the first change.
        public let lsn: LSN
        /// How many there are of each operation.
        public var counts = SegmentFooter.Counts()
    }

    /// The tables in the order of their first change.
    public private(set) var tables: [Table] = []
    /// Records.
    public internal(set) var records = 0
    /// Bytes of the records.
    public internal(set) var rawBytes = 0

    private var places: [UInt32: Int] = [:]
    private var last = 0

    /// A summary of no records.
    public init() {}

    /// Adds one change.
    mutating func count(_ relation: UInt32, lsn: LSN, _ add: (inout SegmentFooter.Counts) -> Void) {
        if last >= tables.count || tables[last].relation != relation { last = place(of: relation, lsn: lsn) }
        add(&tables[last].counts)
    }

    private mutating func place(of relation: UInt32, lsn: LSN) -> Int {
        if let place = places[relation] { return place }
        places[relation] = tables.count
        tables.append(Table(relation: relation, lsn: lsn))
        return tables.count - 1
    }

    mutating func append(_ table: Table) {
        tables.append(table)
    }

    mutating func removeAll() {
        tables.removeAll(keepingCapacity: true)
        places.removeAll(keepingCapacity: true)
        records = 0
        rawBytes = 0
        last = 0
    }
}
