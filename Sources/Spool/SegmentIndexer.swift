import PgOutput
import Postgres

/// Follows the records of one segment and keeps its footer: used while writing, and again when a file is recovered or
/// verified, so that both see the same.
public struct SegmentIndexer: Sendable {
    /// The footer so far.
    public private(set) var footer: SegmentFooter
    /// Inside a transaction whose commit has not come yet.
    public var isInTransaction: Bool { cursor.isInTransaction }
    /// The last record was an end record.
    public var hasEnd: Bool { footer.hasEnd }
    /// The last transaction's commit time.
    public private(set) var lastCommitTime: Timestamp?
    /// The last record ended a transaction, or stood between two.
    public private(set) var isAtBoundary = false

    private var cursor: TransactionCursor
    private static let partSize: UInt64 = 128 << 10

    private var names: [UInt32: String] = [:]
    private var counts: [UInt32: SegmentFooter.Counts] = [:]
    private var pending: [UInt32: SegmentFooter.Counts] = [:]
    private var pendingChanges = 0
    private var lastRelation: UInt32 = 0
    private var lastCounts = SegmentFooter.Counts()
    private var part: SegmentFooter.Part?
    private var lastOfPart: (lsn: LSN, time: Timestamp)?
    private var timesOfPart: (earliest: Timestamp, latest: Timestamp)?

    /// An index of a segment that begins at `start`.
    public init(start: LSN) {
        footer = SegmentFooter(start: start)
        cursor = TransactionCursor(after: start)
    }

    /// Where a record leaves the stream.
    public enum Boundary {
        /// In the middle of something.
        case none
        /// At the end of a transaction, a watermark or an end record: a place to cut or to rotate.
        case commit
    }

    /// Begins a chunk whose frame lies at `offset` of the file.
    public mutating func beginChunk(offset: UInt64) {
        if let current = part, offset - current.offset >= SegmentIndexer.partSize {
            footer.parts.append(closed(current))
            footer.lastCommit = footer.parts.last?.last ?? footer.lastCommit
            part = nil
            lastOfPart = nil
            timesOfPart = nil
        }
        if part == nil { part = SegmentFooter.Part(offset: offset) }
    }

    /// Takes in a whole chunk.
    ///
    /// - Throws: ``SpoolError`` with `corrupt`, as for a record.
    public mutating func consume(_ chunk: Chunk) throws(SpoolError) {
        beginChunk(offset: chunk.offset)
        var cursor = RecordCursor(chunk)
        while let record = try cursor.next() { try consume(record, file: chunk.file) }
    }

    /// Takes in a chunk of changes that was not read.
    mutating func consume(_ summary: ChunkSummary, offset: UInt64) {
        beginChunk(offset: offset)
        footer.rawBytes += UInt64(summary.rawBytes)
        footer.hasEnd = false
        isAtBoundary = false
        for table in summary.tables { count(table.relation, changes: table.counts.total) { $0.add(table.counts) } }
    }

    /// Takes in one record.
    ///
    /// - Throws: ``SpoolError`` with `corrupt` when a message cannot be decoded or the order is broken.
    @discardableResult
    public mutating func consume(_ record: Record, file: String) throws(SpoolError) -> Boundary {
        isAtBoundary = false
        let boundary = try follow(record, file: file)
        isAtBoundary = boundary == .commit
        return boundary
    }

    private mutating func follow(_ record: Record, file: String) throws(SpoolError) -> Boundary {
        footer.rawBytes += UInt64(record.size)
        footer.hasEnd = false
        switch record.kind {
        case .header, .relation:
            return .none
        case .watermark, .end:
            guard !isInTransaction else {
                throw SpoolError(.corrupt, "a watermark or end stands inside a transaction", file: file)
            }
            footer.end = max(footer.end, record.lsn)
            footer.hasEnd = record.kind == .end
            return .commit
        case .change:
            do {
                return try change(record.payload)
            } catch let error as PgOutputError {
                throw SpoolError(.corrupt, "\(error) (record at LSN \(record.lsn))", file: file)
            } catch {
                throw SpoolError(.corrupt, "\(error)", file: file)
            }
        }
    }

    private mutating func change(_ payload: UnsafeRawBufferPointer) throws -> Boundary {
        switch MessageKind(rawValue: payload.first ?? 0) {
        case .insert:
            count(try relationID(payload)) { $0.insert += 1 }
        case .update:
            count(try relationID(payload)) { $0.update += 1 }
        case .delete:
            count(try relationID(payload)) { $0.delete += 1 }
        case .begin:
            // The source sends an unfinished transaction again after a reconnect; its first part is void.
            pending.removeAll(keepingCapacity: true)
            pendingChanges = 0
            lastCounts = SegmentFooter.Counts()
            lastRelation = 0
            guard case .begin(let begin) = try Message(decoding: payload) else { break }
            _ = cursor.begin(begin)
        case .commit:
            guard case .commit(let commit) = try Message(decoding: payload) else { break }
            _ = try cursor.commit(commit)
            finish(commit)
            return .commit
        case .relation:
            guard case .relation(let relation) = try Message(decoding: payload) else { break }
            names[relation.id] = "\(relation.namespace).\(relation.name)"
            part?.hasRelations = true
        case .truncate:
            guard case .truncate(let truncate) = try Message(decoding: payload) else { break }
            for relation in truncate.relations { count(relation) { $0.truncate += 1 } }
        case .logicalMessage, .origin, .type:
            // A message outside a transaction is no place to cut: no position says whether the source sends it again.
            break
        case nil:
            throw PgOutputError(.unknownMessage, kind: payload.first ?? 0, offset: 0)
        }
        return .none
    }

    private func relationID(_ payload: UnsafeRawBufferPointer) throws(PgOutputError) -> UInt32 {
        var reader = MessageReader(payload)
        _ = try reader.uint8()
        return try reader.uint32()
    }

    /// Counts for the relation of the last change are kept aside: most changes follow one of the same table.
    private mutating func count(
        _ relation: UInt32, changes: Int = 1, _ add: (inout SegmentFooter.Counts) -> Void
    ) {
        if relation != lastRelation {
            storeLast()
            lastRelation = relation
            lastCounts = pending[relation] ?? SegmentFooter.Counts()
        }
        add(&lastCounts)
        pendingChanges += changes
    }

    private mutating func storeLast() {
        if lastRelation != 0 { pending[lastRelation] = lastCounts }
    }

    private mutating func finish(_ commit: Message.Commit) {
        storeLast()
        lastRelation = 0
        for (relation, more) in pending {
            counts[relation, default: SegmentFooter.Counts()].add(more)
        }
        pending.removeAll(keepingCapacity: true)
        footer.changes += pendingChanges
        pendingChanges = 0
        footer.transactions += 1
        footer.end = max(footer.end, commit.endLSN)
        lastCommitTime = commit.commitTime
        // Text is made only for the first commit of a part and, when the part closes, for its last.
        if part?.first == nil { part?.first = SegmentFooter.Mark(commit.endLSN, commit.commitTime) }
        if footer.firstCommit == nil { footer.firstCommit = part?.first }
        lastOfPart = (commit.endLSN, commit.commitTime)
        let times = timesOfPart ?? (commit.commitTime, commit.commitTime)
        timesOfPart = (min(times.earliest, commit.commitTime), max(times.latest, commit.commitTime))
    }

    private func closed(_ part: SegmentFooter.Part) -> SegmentFooter.Part {
        var part = part
        part.last = lastOfPart.map { SegmentFooter.Mark($0.lsn, $0.time) }
        part.earliest = timesOfPart?.earliest.description
        part.latest = timesOfPart?.latest.description
        return part
    }

    /// The footer with the part that is open.
    private var closed: SegmentFooter {
        var footer = self.footer
        if let part {
            footer.parts.append(closed(part))
            footer.lastCommit = footer.parts.last?.last ?? footer.lastCommit
        }
        return footer
    }

    /// The complete footer of what was consumed.
    public func finished() -> SegmentFooter {
        var footer = closed
        for (relation, counted) in counts {
            footer.relations[names[relation] ?? "OID \(relation)", default: SegmentFooter.Counts()].add(counted)
        }
        return footer
    }
}

// What is kept of it beside an open segment.
extension SegmentIndexer {
    /// All that an index is made of, at a boundary.
    struct Snapshot: Codable {
        /// The footer, all its parts closed, without its counts by table.
        var footer: SegmentFooter
        /// The tables' names and counts by OID: a table may get another name later on.
        var names: [UInt32: String]
        var counts: [UInt32: SegmentFooter.Counts]
        /// The end of the last commit.
        var lastEnd: LSN
    }

    /// What to keep; nil in the middle of something, and at an end record, which whoever begins here must see.
    var snapshot: Snapshot? {
        guard isAtBoundary, !hasEnd else { return nil }
        return Snapshot(footer: closed, names: names, counts: counts, lastEnd: cursor.lastEnd)
    }

    /// Goes on where a snapshot was made; nil when that says what no index can.
    init?(_ snapshot: Snapshot) {
        self.init(start: snapshot.footer.start)
        footer = snapshot.footer
        isAtBoundary = true
        (names, counts) = (snapshot.names, snapshot.counts)
        cursor = TransactionCursor(after: snapshot.lastEnd)
        if let last = footer.lastCommit {
            guard let time = Timestamp(last.time) else { return nil }
            lastCommitTime = time
        }
        // The last part goes on, as ``closed(_:)`` found it.
        guard let part = footer.parts.popLast() else { return nil }
        self.part = part
        if let last = part.last {
            guard let time = Timestamp(last.time), let earliest = part.earliest.flatMap({ Timestamp($0) }),
                let latest = part.latest.flatMap({ Timestamp($0) })
            else { return nil }
            (lastOfPart, timesOfPart) = ((last.lsn, time), (earliest, latest))
        }
        footer.lastCommit = footer.parts.last { $0.last != nil }?.last
    }
}

extension SegmentFooter.Mark {
    init(_ lsn: LSN, _ time: Timestamp) {
        self.init(lsn: lsn, time: time.description)
    }
}

extension SegmentFooter.Counts {
    /// Adds the counts of another part of the log.
    public mutating func add(_ other: SegmentFooter.Counts) {
        insert += other.insert
        update += other.update
        delete += other.delete
        truncate += other.truncate
    }

    /// All operations together.
    public var total: Int { insert + update + delete + truncate }
}
