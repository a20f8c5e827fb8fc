import Postgres

/// One record of the change log.
///
/// ```
/// u32 length   of what follows it: 10 + the payload
/// u8  kind     see RecordKind; 0 is never valid, so zeroed space is the end and not data
/// u8  flags    bit 0: see RecordFlags.streamed; the others are reserved, 0
/// u64 LSN
/// payload
/// ```
/// Integers are little-endian. Borrows the bytes it was read from.
public struct Record {
    /// What the payload is.
    public let kind: RecordKind
    /// How the payload came to be.
    public let flags: RecordFlags
    /// The position in the source's WAL of what the record carries.
    public let lsn: LSN
    /// The payload.
    public let payload: UnsafeRawBufferPointer
    /// Where the record begins in its chunk, in bytes.
    public let offset: Int

    /// Bytes of the whole record.
    public var size: Int { Record.headerSize + payload.count }

    /// Bytes before the payload.
    public static let headerSize = 14
    /// The largest length that is accepted: PostgreSQL's messages stay below 1 GiB.
    public static let maximumLength = 1 << 30
}

/// How a record's payload came to be.
public struct RecordFlags: OptionSet, Sendable {
    /// The bits as stored.
    public let rawValue: UInt8

    /// The given bits.
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// The transaction was sent while it was in progress: its messages lost the transaction id that follows their kind
    /// byte in a stream, and its Begin and Commit were made from the Stream Commit message. Nothing else was changed.
    public static let streamed = RecordFlags(rawValue: 1)
}

/// What a record's payload is.
public enum RecordKind: UInt8, Sendable {
    /// JSON: ``SegmentHeader``.
    case header = 1
    /// One pgoutput message as the source sent it.
    case change = 2
    /// JSON: facts from the source's catalog about the table of the Relation message that follows.
    case relation = 3
    /// Nothing: the stream is complete up to the record's LSN, though no commit ends there.
    case watermark = 4
    /// JSON: ``EndMark``; the stream ended at the record's LSN.
    case end = 5
}

/// Why a stream ended; the payload of an end record.
public struct EndMark: Codable, Sendable, Equatable {
    /// Why: `endpos`, or `idle`.
    public var reason: String
    /// The end position that was asked for.
    public var endPosition: LSN?

    /// An end for the given reason.
    public init(reason: String, endPosition: LSN? = nil) {
        self.reason = reason
        self.endPosition = endPosition
    }

    enum CodingKeys: String, CodingKey {
        case reason
        case endPosition = "endpos"
    }
}
