import PgOutput
import Postgres

/// What a transaction's file says of one of its chunks: written before it, in a skippable frame.
///
/// All numbers are little-endian. The file never outlives its process, so its form has no versions.
/// ```
/// u64 checksum   XXH64 of what follows
/// u64 frame      XXH64 of the chunk's frame
/// u32 size       of the chunk's frame
/// u32 raw        bytes of records
/// u32 records
/// u32 layouts    1 when there are Relation or Type messages among them
/// u32 runs, u32 tables
/// runs × (u32 transaction id, u32 records)
/// tables × (u32 relation, u64 LSN, u32 insert, u32 update, u32 delete, u32 truncate)
/// ```
struct CollectedChunk {
    /// Records that follow one another and are of one (sub)transaction.
    struct Run {
        let xid: UInt32
        var records: Int
    }

    var summary = ChunkSummary()
    var runs: [Run] = []
    /// There are Relation or Type messages among the records, which do not join the log where they stand.
    var hasLayouts = false
    var frameSize = 0
    var frameChecksum: UInt64 = 0

    /// Counts one more record.
    ///
    /// - Parameter xid: 0 for what is of no subtransaction.
    /// - Throws: ``PgOutputError`` when the message cannot be in a streamed transaction.
    mutating func count(_ payload: UnsafeRawBufferPointer, xid: UInt32, lsn: LSN) throws(PgOutputError) {
        switch MessageKind(rawValue: payload[0]) {
        case .insert: summary.count(try Self.relation(payload), lsn: lsn) { $0.insert += 1 }
        case .update: summary.count(try Self.relation(payload), lsn: lsn) { $0.update += 1 }
        case .delete: summary.count(try Self.relation(payload), lsn: lsn) { $0.delete += 1 }
        case .truncate:
            guard case .truncate(let truncate) = try Message(decoding: payload) else { break }
            for relation in truncate.relations { summary.count(relation, lsn: lsn) { $0.truncate += 1 } }
        case .relation, .type: hasLayouts = true
        case .logicalMessage, .origin: break
        case .begin, .commit, nil: throw PgOutputError(.unknownMessage, kind: payload[0], offset: 0)
        }
        summary.records += 1
        if let last = runs.indices.last, runs[last].xid == xid {
            runs[last].records += 1
        } else {
            runs.append(Run(xid: xid, records: 1))
        }
    }

    private static func relation(_ payload: UnsafeRawBufferPointer) throws(PgOutputError) -> UInt32 {
        var reader = MessageReader(payload)
        _ = try reader.uint8()
        return try reader.uint32()
    }

    mutating func removeAll() {
        summary.removeAll()
        runs.removeAll(keepingCapacity: true)
        hasLayouts = false
    }

    private static let fixedSize = 40

    /// The skippable frame.
    func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(8 + Self.fixedSize + runs.count * 8 + summary.tables.count * 28)
        func append(_ value: some FixedWidthInteger) {
            withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
        }
        append(SegmentFooter.frameMagic)
        append(UInt32(Self.fixedSize + runs.count * 8 + summary.tables.count * 28))
        append(0 as UInt64)
        append(frameChecksum)
        for number in [frameSize, summary.rawBytes, summary.records, hasLayouts ? 1 : 0, runs.count] {
            append(UInt32(number))
        }
        append(UInt32(summary.tables.count))
        for run in runs {
            append(run.xid)
            append(UInt32(run.records))
        }
        for table in summary.tables {
            append(table.relation)
            append(table.lsn.rawValue)
            for count in [table.counts.insert, table.counts.update, table.counts.delete, table.counts.truncate] {
                append(UInt32(count))
            }
        }
        bytes.withUnsafeMutableBytes { all in
            let checksum = XXH64.hash(UnsafeRawBufferPointer(rebasing: all[16...]))
            all.storeBytes(of: checksum.littleEndian, toByteOffset: 8, as: UInt64.self)
        }
        return bytes
    }

    init() {}

    /// Reads a skippable frame's contents back; nil when they are not what was written.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= Self.fixedSize else { return nil }
        var offset = 0
        func next<Value: FixedWidthInteger>(_ type: Value.Type) -> Value {
            defer { offset += MemoryLayout<Value>.size }
            return Value(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: type))
        }
        func number() -> Int { Int(next(UInt32.self)) }
        guard next(UInt64.self) == XXH64.hash(UnsafeRawBufferPointer(rebasing: bytes[8...])) else { return nil }
        frameChecksum = next(UInt64.self)
        frameSize = number()
        summary.rawBytes = number()
        summary.records = number()
        hasLayouts = number() != 0
        let (runCount, tableCount) = (number(), number())
        guard bytes.count == Self.fixedSize + runCount * 8 + tableCount * 28 else { return nil }
        for _ in 0..<runCount { runs.append(Run(xid: next(UInt32.self), records: number())) }
        for _ in 0..<tableCount {
            var table = ChunkSummary.Table(relation: next(UInt32.self), lsn: LSN(rawValue: next(UInt64.self)))
            table.counts.insert = number()
            table.counts.update = number()
            table.counts.delete = number()
            table.counts.truncate = number()
            summary.append(table)
        }
    }
}
