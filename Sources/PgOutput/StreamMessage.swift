import Postgres

/// A message that frames the changes of a transaction sent while it is still in progress (protocol 2 and later).
///
/// Between start and stop, change, Relation, Type and Message messages carry the id of their (sub)transaction after
/// the kind byte. Source: PostgreSQL documentation, "Logical Replication Message Formats", Stream Start and following.
public enum StreamMessage: Sendable, Equatable {
    /// 'S': changes of this transaction follow.
    case start(xid: UInt32, isFirst: Bool)
    /// 'E': no more changes for now.
    case stop
    /// 'c': the transaction committed.
    case commit(xid: UInt32, Message.Commit)
    /// 'A': the transaction, or this subtransaction of it, was rolled back.
    case abort(xid: UInt32, subtransaction: UInt32)

    /// Decodes a framing message; nil when the bytes are another message.
    ///
    /// - Throws: ``PgOutputError``; never traps, whatever the bytes.
    public init?(decoding bytes: UnsafeRawBufferPointer) throws(PgOutputError) {
        var reader = MessageReader(bytes)
        switch try reader.uint8() {
        case UInt8(ascii: "S"):
            self = .start(xid: try reader.uint32(), isFirst: try reader.uint8() == 1)
        case UInt8(ascii: "E"):
            self = .stop
        case UInt8(ascii: "c"):
            self = .commit(xid: try reader.uint32(), try Message.Commit(&reader))
        case UInt8(ascii: "A"):
            self = .abort(xid: try reader.uint32(), subtransaction: try reader.uint32())
            // With streaming = parallel, position and time of the abort follow; they are not needed.
            if reader.remaining == 16 { _ = try reader.slice(16) }
        default:
            return nil
        }
        try reader.end()
    }
}

extension Message {
    /// The bytes of a Begin message, for a transaction whose framing was that of a stream.
    public static func encodeBegin(_ begin: Begin) -> [UInt8] {
        var bytes = [MessageKind.begin.rawValue]
        append(begin.finalLSN.rawValue, to: &bytes)
        append(UInt64(bitPattern: begin.commitTime.rawValue), to: &bytes)
        append(begin.xid, to: &bytes)
        return bytes
    }

    /// The bytes of a Commit message, for a transaction whose framing was that of a stream.
    public static func encodeCommit(_ commit: Commit) -> [UInt8] {
        var bytes = [MessageKind.commit.rawValue, 0]
        append(commit.commitLSN.rawValue, to: &bytes)
        append(commit.endLSN.rawValue, to: &bytes)
        append(UInt64(bitPattern: commit.commitTime.rawValue), to: &bytes)
        return bytes
    }

    private static func append(_ value: some FixedWidthInteger, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }
}
