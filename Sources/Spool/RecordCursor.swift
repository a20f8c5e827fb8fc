import Postgres

/// Steps through the records of one chunk.
public struct RecordCursor {
    private let bytes: UnsafeRawBufferPointer
    private var offset = 0
    private let file: String
    private let chunkOffset: UInt64

    /// A cursor at the first record of `chunk`.
    public init(_ chunk: Chunk) {
        bytes = chunk.bytes
        file = chunk.file
        chunkOffset = chunk.offset
    }

    /// The next record; nil after the last.
    ///
    /// - Throws: ``SpoolError`` with `corrupt` when the bytes are not whole, known records.
    public mutating func next() throws(SpoolError) -> Record? {
        let left = bytes.count - offset
        guard left > 0 else { return nil }
        guard left >= Record.headerSize else { throw corrupt("\(left) bytes are left, too few for a record") }
        let length = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
        guard length >= Record.headerSize - 4, length <= Record.maximumLength else {
            throw corrupt("a record's length is \(length)")
        }
        guard length + 4 <= left else {
            throw corrupt("a record of \(length + 4) bytes begins \(left) bytes before the chunk's end")
        }
        guard let kind = RecordKind(rawValue: bytes[offset + 4]) else {
            throw corrupt("a record is of unknown kind \(bytes[offset + 4]); a newer walrelay may read it")
        }
        let lsn = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 6, as: UInt64.self))
        let payload = UnsafeRawBufferPointer(rebasing: bytes[offset + Record.headerSize..<offset + 4 + length])
        defer { offset += 4 + length }
        return Record(
            kind: kind, flags: RecordFlags(rawValue: bytes[offset + 5]), lsn: LSN(rawValue: lsn), payload: payload,
            offset: offset)
    }

    private func corrupt(_ what: String) -> SpoolError {
        SpoolError(
            .corrupt, "\(what) (\(offset) bytes into the chunk that begins here)", file: file, offset: chunkOffset)
    }
}

/// Whole records, decompressed. The bytes are valid until the next call on the reader that gave them.
public struct Chunk {
    /// The records.
    public let bytes: UnsafeRawBufferPointer
    /// The file, or `-` for a pipe.
    public let file: String
    /// Where the chunk's frame begins in the file, in bytes.
    public let offset: UInt64

    /// Records read at `offset` of `file`.
    public init(bytes: UnsafeRawBufferPointer, file: String, offset: UInt64) {
        self.bytes = bytes
        self.file = file
        self.offset = offset
    }

    /// A record with what stands before its payload.
    public func bytes(of record: Record) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes[record.offset..<record.offset + record.size])
    }
}
