import PgOutput
import Postgres
import Spool

/// Turns the server's messages into the records of the log: drops what the log has already, repeats the layout of a
/// table before its first change in each segment, and knows where the stream ends.
///
/// Knows nothing of sockets and files: its methods take a message and say what follows from it.
public struct StreamAssembler {
    /// What follows from a message.
    public enum Action: Equatable {
        /// Continue.
        case none
        /// A transaction is complete: a place to rotate, to make durable, to tell readers.
        case commit
        /// The end position is reached.
        case reachedEnd
    }

    /// The end of the last commit or watermark appended.
    public private(set) var position: LSN
    /// The end of the last commit appended, or where the stream began.
    public private(set) var lastCommitEnd: LSN
    /// Inside a transaction that is being appended.
    public private(set) var isInTransaction = false
    /// Transactions appended.
    public private(set) var transactions: UInt64 = 0
    /// Messages appended.
    public private(set) var messages: UInt64 = 0
    /// The commit time of the last transaction.
    public private(set) var lastCommitTime: Timestamp?
    /// How far the server is, though nothing was sent: where a watermark would stand.
    public private(set) var idlePosition: LSN

    private var end: LSN?
    private var isSkipping = false
    private var layouts: [UInt32: Layout] = [:]
    private var types: [UInt32: [UInt8]] = [:]
    private var written: Set<UInt32> = []
    private var lastWritten: UInt32?
    private var lastMessage = LSN.zero

    private struct Layout {
        let message: [UInt8]
        let typeOIDs: [UInt32]
        let facts: [UInt8]?
    }

    /// A stream that continues from `position` and ends at `end`, if there is one.
    public init(position: LSN, end: LSN?) {
        self.position = position
        idlePosition = position
        lastCommitEnd = position
        self.end = end
    }

    /// True when nothing more is wanted: the log reaches the end position already.
    public var isAtEnd: Bool {
        guard let end else { return false }
        return position >= end
    }

    /// Says only now where the stream ends: at `position`, or where it is if that is further.
    public mutating func end(at position: LSN) {
        end = max(position, self.position)
    }

    /// Inside a transaction that the log has already.
    public var isSkippingTransaction: Bool { isSkipping }

    /// Leaves such a transaction without its Commit message.
    public mutating func endSkipping() {
        isSkipping = false
    }

    /// Forgets which layouts the log has: the next segment repeats each before its first use.
    public mutating func beginSegment() {
        written.removeAll(keepingCapacity: true)
        lastWritten = nil
    }

    /// Takes one output-plugin message and appends what belongs into the log.
    ///
    /// - Parameters:
    ///   - lsn: where the message's change lies in the source's WAL.
    ///   - facts: asked for what the catalog says of a table, once per Relation message.
    /// - Throws: ``PgOutputError``, ``CaptureError`` with `protocolViolation`, or what `facts` throws: nothing of the message
    ///   is appended then.
    public mutating func consume(
        _ payload: UnsafeRawBufferPointer, flags: RecordFlags = [], lsn: LSN, into buffer: ChunkBuffer,
        facts: (Relation) throws -> RelationFacts?
    ) throws -> Action {
        switch MessageKind(rawValue: payload.first ?? 0) {
        case .insert, .update, .delete:
            if isSkipping { return .none }
            guard isInTransaction else { throw outside("a change") }
            var reader = MessageReader(payload)
            _ = try reader.uint8()
            try appendLayout(of: try reader.uint32(), lsn: lsn, into: buffer)
        case .begin:
            guard case .begin(let begin) = try Message(decoding: payload) else { return .none }
            if try !start(begin) { return isSkipping ? .none : .reachedEnd }
        case .commit:
            guard case .commit(let commit) = try Message(decoding: payload) else { return .none }
            return try finish(commit, payload, flags: flags, lsn: lsn, into: buffer)
        case .relation:
            guard case .relation(let relation) = try Message(decoding: payload) else { return .none }
            layouts[relation.id] = Layout(
                message: Array(payload), typeOIDs: relation.columns.map(\.typeOID),
                facts: try facts(relation).map { JSON.encode($0) })
            written.remove(relation.id)
            lastWritten = nil
            return .none
        case .type:
            guard case .type(let oid, _, _) = try Message(decoding: payload) else { return .none }
            types[oid] = Array(payload)
            return .none
        case .truncate:
            if isSkipping { return .none }
            guard isInTransaction else { throw outside("a TRUNCATE") }
            guard case .truncate(let truncate) = try Message(decoding: payload) else { return .none }
            for relation in truncate.relations { try appendLayout(of: relation, lsn: lsn, into: buffer) }
        case .logicalMessage:
            if isSkipping { return .none }
            if !isInTransaction {
                // It was sent when its place in the WAL was decoded, so every commit before it has come.
                if let end, lsn >= end {
                    idlePosition = max(idlePosition, end)
                    return .reachedEnd
                }
                // Outside a transaction its own position says whether the log has it.
                guard lsn > lastMessage else { return .none }
                lastMessage = lsn
            }
        case .origin:
            if isSkipping { return .none }
            guard isInTransaction else { throw outside("an origin") }
        case nil:
            throw PgOutputError(.unknownMessage, kind: payload.first ?? 0, offset: 0)
        }
        messages += 1
        buffer.append(.change, flags: flags, lsn: lsn, payload: payload)
        return .none
    }

    /// Appends the layouts that a chunk of changes needs, which joins the log as it is.
    ///
    /// - Throws: ``CaptureError`` with `protocolViolation`.
    public mutating func appendLayouts(of chunk: ChunkSummary, into buffer: ChunkBuffer) throws {
        guard isInTransaction else { throw outside("a change") }
        for table in chunk.tables { try appendLayout(of: table.relation, lsn: table.lsn, into: buffer) }
    }

    /// Takes note that the chunk has joined the log.
    public mutating func took(_ chunk: ChunkSummary) {
        messages += UInt64(chunk.records)
    }

    /// False when the transaction is not to be appended: the log has it, or it lies past the end.
    private mutating func start(_ begin: Message.Begin) throws -> Bool {
        guard !isInTransaction, !isSkipping else { throw outside("BEGIN inside a transaction") }
        switch CommitRange(from: position, to: end).place(of: begin) {
        case .before: isSkipping = true
        case .after:
            // Transactions come in commit order: everything up to the end has been sent.
            if let end { idlePosition = max(idlePosition, end) }
        case .inside: isInTransaction = true
        }
        return isInTransaction
    }

    private mutating func finish(
        _ commit: Message.Commit, _ payload: UnsafeRawBufferPointer, flags: RecordFlags, lsn: LSN,
        into buffer: ChunkBuffer
    ) throws -> Action {
        if isSkipping {
            isSkipping = false
            return .none
        }
        guard isInTransaction else { throw outside("COMMIT") }
        isInTransaction = false
        buffer.append(.change, flags: flags, lsn: lsn, payload: payload)
        messages += 1
        transactions += 1
        position = commit.endLSN
        lastCommitEnd = position
        idlePosition = max(idlePosition, position)
        lastCommitTime = commit.commitTime
        return isAtEnd ? .reachedEnd : .commit
    }

    private mutating func appendLayout(of relation: UInt32, lsn: LSN, into buffer: ChunkBuffer) throws {
        if relation == lastWritten { return }
        defer { lastWritten = relation }
        guard written.insert(relation).inserted else { return }
        guard let layout = layouts[relation] else {
            throw CaptureError(
                .protocolViolation, "the source sent a change of relation \(relation) at \(lsn) before its layout")
        }
        for oid in layout.typeOIDs {
            if let type = types[oid] { buffer.append(.change, lsn: lsn, payload: type) }
        }
        if let facts = layout.facts { buffer.append(.relation, lsn: lsn, payload: facts) }
        buffer.append(.change, lsn: lsn, payload: layout.message)
    }

    private func outside(_ what: String) -> CaptureError {
        CaptureError(.protocolViolation, "the source sent \(what) where the protocol has none, after \(position)")
    }

    /// Takes a keepalive: the server has sent every commit that ends at or before `walEnd`.
    public mutating func keepalive(_ walEnd: LSN) -> Action {
        // In the middle of a transaction the position would jump over it.
        guard !isInTransaction, !isSkipping else { return .none }
        idlePosition = max(idlePosition, walEnd)
        if let end, idlePosition >= end { return .reachedEnd }
        return .none
    }

    /// Appends a watermark if the server is further than the last commit. True if it did.
    ///
    /// Never one that lies before a message outside transactions that the log has: the stream would be taken up at the
    /// watermark, and the message come again.
    public mutating func appendWatermark(into buffer: ChunkBuffer) -> Bool {
        guard !isInTransaction, !isSkipping, idlePosition > max(position, lastMessage) else { return false }
        position = idlePosition
        buffer.append(.watermark, lsn: position, payload: [])
        return true
    }

    /// Appends the end record. The stream must be outside a transaction.
    public mutating func appendEnd(reason: String, into buffer: ChunkBuffer) {
        position = max(position, idlePosition)
        buffer.append(.end, lsn: position, payload: JSON.encode(EndMark(reason: reason, endPosition: end)))
    }
}
