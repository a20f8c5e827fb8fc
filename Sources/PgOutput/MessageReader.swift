import Glibc
import Postgres

/// A cursor over one pgoutput message. Every read is checked against the end once; integers are big-endian.
///
/// The reader borrows the bytes: it and whatever it returned are valid as long as they are.
@frozen
public struct MessageReader {
    let bytes: UnsafeRawBufferPointer
    /// The offset of the next byte.
    public private(set) var offset: Int

    /// A reader at the start of `bytes`.
    public init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
        offset = 0
    }

    /// The message's first byte; 0 when it is empty.
    public var kind: UInt8 {
        bytes.isEmpty ? 0 : bytes[0]
    }

    /// Bytes left.
    public var remaining: Int {
        bytes.count - offset
    }

    /// An error at the present offset.
    public func error(_ code: PgOutputError.Code) -> PgOutputError {
        PgOutputError(code, kind: kind, offset: offset)
    }

    private mutating func advance(_ count: Int) throws(PgOutputError) -> Int {
        guard count <= bytes.count - offset else { throw error(.truncated) }
        let start = offset
        offset += count
        return start
    }

    /// The next byte.
    public mutating func uint8() throws(PgOutputError) -> UInt8 {
        bytes[try advance(1)]
    }

    /// The next 16-bit count; never negative.
    public mutating func count16() throws(PgOutputError) -> Int {
        let value = Int16(bigEndian: bytes.loadUnaligned(fromByteOffset: try advance(2), as: Int16.self))
        guard value >= 0 else { throw error(.invalidLength) }
        return Int(value)
    }

    /// The next 32-bit count; never negative.
    public mutating func count32() throws(PgOutputError) -> Int {
        let value = try int32()
        guard value >= 0 else { throw error(.invalidLength) }
        return Int(value)
    }

    /// The next 32-bit integer.
    public mutating func int32() throws(PgOutputError) -> Int32 {
        Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: try advance(4), as: Int32.self))
    }

    /// The next OID or transaction id.
    public mutating func uint32() throws(PgOutputError) -> UInt32 {
        UInt32(bitPattern: try int32())
    }

    /// The next position.
    public mutating func lsn() throws(PgOutputError) -> LSN {
        LSN(rawValue: try uint64())
    }

    /// The next moment.
    public mutating func timestamp() throws(PgOutputError) -> Timestamp {
        Timestamp(rawValue: Int64(bitPattern: try uint64()))
    }

    private mutating func uint64() throws(PgOutputError) -> UInt64 {
        UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: try advance(8), as: UInt64.self))
    }

    /// The next `count` bytes.
    public mutating func slice(_ count: Int) throws(PgOutputError) -> UnsafeRawBufferPointer {
        let start = try advance(count)
        return UnsafeRawBufferPointer(rebasing: bytes[start..<start + count])
    }

    /// The next zero-terminated string.
    public mutating func string() throws(PgOutputError) -> String {
        let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
        guard let base = rest.baseAddress, let end = memchr(base, 0, rest.count) else {
            throw error(.invalidString)
        }
        let length = UnsafeRawPointer(end) - base
        guard let text = String(validating: UnsafeRawBufferPointer(start: base, count: length), as: UTF8.self) else {
            throw error(.invalidString)
        }
        offset += length + 1
        return text
    }

    /// Checks that nothing is left.
    public func end() throws(PgOutputError) {
        guard offset == bytes.count else { throw error(.trailingBytes) }
    }
}
