import Glibc

/// One row, or the key of one row, as pgoutput sends it. Borrows the message's bytes.
///
/// ```
/// i16 column count, then for each column
///   'n'                      NULL
///   'u'                      an unchanged value stored out of line: not sent
///   't' i32 length, bytes    the value in text form, not terminated
///   'b' i32 length, bytes    the value in binary form
/// ```
/// Source: PostgreSQL documentation, "Logical Replication Message Formats", TupleData.
@frozen
public struct Tuple {
    /// The number of columns.
    public let columnCount: Int
    /// The columns' bytes as they were sent, all of them checked; what ``init(checked:columnCount:)`` takes.
    public let bytes: UnsafeRawBufferPointer

    /// Checks a tuple and steps over it.
    public init(_ reader: inout MessageReader) throws(PgOutputError) {
        columnCount = try reader.count16()
        let start = reader.offset
        for _ in 0..<columnCount {
            switch try reader.uint8() {
            case ColumnMarker.null, ColumnMarker.unchanged: break
            case ColumnMarker.text:
                // No server sends one, and what stands after it would be read as the program's own text.
                guard !Self.hasZero(try reader.slice(try reader.count32())) else { throw reader.error(.invalidString) }
            case ColumnMarker.binary: _ = try reader.slice(try reader.count32())
            default: throw reader.error(.unknownMarker)
            }
        }
        bytes = UnsafeRawBufferPointer(rebasing: reader.bytes[start..<reader.offset])
    }

    private static func hasZero(_ value: UnsafeRawBufferPointer) -> Bool {
        guard let base = value.baseAddress else { return false }
        return memchr(base, 0, value.count) != nil
    }

    /// A tuple of columns that were checked before: a copy of another tuple's ``bytes``, or values put together again in
    /// the same form.
    public init(checked bytes: UnsafeRawBufferPointer, columnCount: Int) {
        self.bytes = bytes
        self.columnCount = columnCount
    }

    /// A cursor at the first column.
    public var columns: ColumnCursor {
        ColumnCursor(bytes)
    }
}

enum ColumnMarker {
    static let null = UInt8(ascii: "n")
    static let unchanged = UInt8(ascii: "u")
    static let text = UInt8(ascii: "t")
    static let binary = UInt8(ascii: "b")
}

/// The value of one column. Borrows the message's bytes.
@frozen
public enum ColumnValue {
    /// NULL.
    case null
    /// Stored out of line and not changed by the update: the source does not send it.
    case unchanged
    /// The type's text form.
    case text(UnsafeRawBufferPointer)
    /// The type's binary form.
    case binary(UnsafeRawBufferPointer)
}

/// Steps through the columns of a ``Tuple``, which was checked when it was made.
@frozen
public struct ColumnCursor {
    private var position: UnsafeRawPointer?
    private let end: UnsafeRawPointer?

    init(_ bytes: UnsafeRawBufferPointer) {
        position = bytes.baseAddress
        end = bytes.baseAddress.map { $0 + bytes.count }
    }

    /// The next column's value; nil after the last.
    public mutating func next() -> ColumnValue? {
        guard let here = position, let end, here < end else { return nil }
        let marker = here.load(as: UInt8.self)
        switch marker {
        case ColumnMarker.null:
            position = here + 1
            return .null
        case ColumnMarker.unchanged:
            position = here + 1
            return .unchanged
        default:
            let length = Int(Int32(bigEndian: (here + 1).loadUnaligned(as: Int32.self)))
            let value = UnsafeRawBufferPointer(start: here + 5, count: length)
            position = here + 5 + length
            return marker == ColumnMarker.text ? .text(value) : .binary(value)
        }
    }
}
