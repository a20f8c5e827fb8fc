import Postgres

/// A decoded pgoutput message of a transaction that is sent after its commit (protocol 1, or later without streaming).
///
/// Tuples and contents borrow the bytes that were decoded. Source: PostgreSQL documentation, "Logical Replication
/// Message Formats".
public enum Message {
    /// 'B': a transaction begins.
    case begin(Begin)
    /// 'C': the transaction committed.
    case commit(Commit)
    /// 'O': the transaction was itself replicated, from this origin.
    case origin(name: String, commitLSN: LSN)
    /// 'R': a table's layout.
    case relation(Relation)
    /// 'Y': the name of a type that is not built in.
    case type(oid: UInt32, namespace: String, name: String)
    /// 'I': a row was inserted.
    case insert(relation: UInt32, new: Tuple)
    /// 'U': a row was updated.
    case update(relation: UInt32, old: OldTuple?, new: Tuple)
    /// 'D': a row was deleted.
    case delete(relation: UInt32, old: OldTuple)
    /// 'T': tables were emptied by one statement.
    case truncate(Truncate)
    /// 'M': someone called `pg_logical_emit_message`.
    case logicalMessage(LogicalMessage)

    /// The fields of Begin.
    public struct Begin: Sendable, Equatable {
        /// Where the commit record begins. Not a position to resume from: that is ``Commit/endLSN``.
        public let finalLSN: LSN
        /// When the transaction committed.
        public let commitTime: Timestamp
        /// The transaction's id.
        public let xid: UInt32

        /// The fields as given.
        public init(finalLSN: LSN, commitTime: Timestamp, xid: UInt32) {
            self.finalLSN = finalLSN
            self.commitTime = commitTime
            self.xid = xid
        }
    }

    /// The fields of Commit.
    public struct Commit: Sendable, Equatable {
        /// Where the commit record begins.
        public let commitLSN: LSN
        /// Where it ends: the position of this transaction.
        public let endLSN: LSN
        /// When the transaction committed.
        public let commitTime: Timestamp
    }

    /// The old row of an update or delete.
    public enum OldTuple {
        /// 'K': the columns of the replica identity; the others read as NULL.
        case key(Tuple)
        /// 'O': the whole row (REPLICA IDENTITY FULL).
        case full(Tuple)

        /// The row, whichever part of it was sent.
        public var tuple: Tuple {
            switch self {
            case .key(let tuple), .full(let tuple): tuple
            }
        }
    }

    /// The fields of Truncate.
    public struct Truncate: Sendable, Equatable {
        /// The tables, in the source's order.
        public let relations: [UInt32]
        /// CASCADE was said.
        public let cascade: Bool
        /// RESTART IDENTITY was said.
        public let restartIdentity: Bool
    }

    /// The fields of Message.
    public struct LogicalMessage {
        /// Part of the transaction, rather than outside any.
        public let isTransactional: Bool
        /// The message's own position.
        public let lsn: LSN
        /// The sender's tag.
        public let prefix: String
        /// Any bytes.
        public let content: UnsafeRawBufferPointer
    }
}

extension Message {
    /// Decodes one message.
    ///
    /// - Throws: ``PgOutputError``; never traps, whatever the bytes.
    public init(decoding bytes: UnsafeRawBufferPointer) throws(PgOutputError) {
        var reader = MessageReader(bytes)
        let kind = try reader.uint8()
        switch MessageKind(rawValue: kind) {
        case .begin:
            self = .begin(
                Begin(
                    finalLSN: try reader.lsn(), commitTime: try reader.timestamp(), xid: try reader.uint32()))
        case .commit:
            self = .commit(try Commit(&reader))
        case .origin:
            let lsn = try reader.lsn()
            self = .origin(name: try reader.string(), commitLSN: lsn)
        case .relation:
            self = .relation(try Relation(&reader))
        case .type:
            let oid = try reader.uint32()
            let schema = try reader.string()
            self = .type(oid: oid, namespace: schema.isEmpty ? "pg_catalog" : schema, name: try reader.string())
        case .insert:
            let relation = try reader.uint32()
            try reader.expect(UInt8(ascii: "N"))
            self = .insert(relation: relation, new: try Tuple(&reader))
        case .update:
            self = try Message.update(&reader)
        case .delete:
            let relation = try reader.uint32()
            guard let old = try OldTuple(marker: try reader.uint8(), &reader) else {
                throw reader.error(.unknownMarker)
            }
            self = .delete(relation: relation, old: old)
        case .truncate:
            self = .truncate(try Truncate(&reader))
        case .logicalMessage:
            self = .logicalMessage(try LogicalMessage(&reader))
        case nil:
            throw PgOutputError(.unknownMessage, kind: kind, offset: 0)
        }
        try reader.end()
    }

    private static func update(_ reader: inout MessageReader) throws(PgOutputError) -> Message {
        let relation = try reader.uint32()
        let marker = try reader.uint8()
        let old = try OldTuple(marker: marker, &reader)
        if old != nil {
            try reader.expect(UInt8(ascii: "N"))
        } else if marker != UInt8(ascii: "N") {
            throw reader.error(.unknownMarker)
        }
        return .update(relation: relation, old: old, new: try Tuple(&reader))
    }
}

/// The first byte of a message.
public enum MessageKind: UInt8, Sendable {
    /// 'B'
    case begin = 0x42
    /// 'C'
    case commit = 0x43
    /// 'O'
    case origin = 0x4F
    /// 'R'
    case relation = 0x52
    /// 'Y'
    case type = 0x59
    /// 'I'
    case insert = 0x49
    /// 'U'
    case update = 0x55
    /// 'D'
    case delete = 0x44
    /// 'T'
    case truncate = 0x54
    /// 'M'
    case logicalMessage = 0x4D
}

extension Message.Commit {
    init(_ reader: inout MessageReader) throws(PgOutputError) {
        _ = try reader.uint8()  // Flags: none are defined.
        commitLSN = try reader.lsn()
        endLSN = try reader.lsn()
        commitTime = try reader.timestamp()
    }
}

extension Message.OldTuple {
    init?(marker: UInt8, _ reader: inout MessageReader) throws(PgOutputError) {
        switch marker {
        case UInt8(ascii: "K"): self = .key(try Tuple(&reader))
        case UInt8(ascii: "O"): self = .full(try Tuple(&reader))
        default: return nil
        }
    }
}

extension Message.Truncate {
    init(_ reader: inout MessageReader) throws(PgOutputError) {
        let count = try reader.count32()
        let flags = try reader.uint8()
        cascade = flags & 1 != 0
        restartIdentity = flags & 2 != 0
        var relations: [UInt32] = []
        relations.reserveCapacity(min(count, reader.remaining / 4))
        for _ in 0..<count { relations.append(try reader.uint32()) }
        self.relations = relations
    }
}

extension Message.LogicalMessage {
    init(_ reader: inout MessageReader) throws(PgOutputError) {
        isTransactional = try reader.uint8() & 1 != 0
        lsn = try reader.lsn()
        prefix = try reader.string()
        content = try reader.slice(try reader.count32())
    }
}

extension MessageReader {
    mutating func expect(_ marker: UInt8) throws(PgOutputError) {
        guard try uint8() == marker else { throw error(.unknownMarker) }
    }
}
