import PgOutput
import Postgres
import Spool

/// Cuts a range of positions out of a log so that the rest is a log of its own: the records of whole transactions, with
/// a header that begins where the slice does, and with the layouts that the transactions need.
///
/// A reader of the slice sees by its header that it begins after the transaction before it, and not that of the segment
/// it was cut from. Otherwise records stay byte for byte what they were.
public struct LogSlice {
    private let range: LogRange
    private var header: SegmentHeader?
    private var isHeaderWritten = false
    private var lastEnd = LSN.zero
    private var isInside = false
    private var isHidden = true
    /// Types, relation records and Relation messages that were left out, by what they are about.
    private var layouts: [Key: [UInt8]] = [:]
    private var order: [Key] = []
    private let buffer = ChunkBuffer(capacity: 64 << 10)
    /// No transaction from here to the end of the segment can be in the range.
    public private(set) var isPast = false

    private enum Key: Hashable {
        case type(UInt32)
        case facts(UInt32)
        case relation(UInt32)
    }

    /// A slice of a range of positions. Times do not rise with positions, and so cannot bound one.
    public init(_ range: LogRange) {
        self.range = range
    }

    /// Takes the next chunk, and hands on records.
    public mutating func take(
        _ chunk: Chunk, _ role: RangeReader.Role, write: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        if role == .resumed {
            // Perhaps in the middle of a transaction that is not wanted.
            isInside = true
            isHidden = true
        }
        var cursor = RecordCursor(chunk)
        while let record = try cursor.next() {
            let size = Record.headerSize + record.payload.count
            let bytes = UnsafeRawBufferPointer(rebasing: chunk.bytes[record.offset..<record.offset + size])
            switch record.kind {
            case .header:
                let header = try SegmentHeader(payload: record.payload, file: chunk.file)
                begin(header)
            case .relation:
                try keepOrWrite(.facts(try LogSlice.relation(record, chunk)), bytes, write)
            case .watermark, .end:
                guard role != .layouts, range.contains(position: record.lsn) else { break }
                try writeHeader(write)
                try write(bytes)
            case .change:
                try change(record, bytes, chunk, isLayout: role == .layouts, write)
            }
        }
    }

    private mutating func begin(_ header: SegmentHeader) {
        self.header = header
        isHeaderWritten = false
        lastEnd = header.start
        isInside = false
        isHidden = true
        isPast = false
        layouts.removeAll()
        order.removeAll()
    }

    private static func relation(_ record: Record, _ chunk: Chunk) throws(SpoolError) -> UInt32 {
        struct Key: Decodable {
            let relation: UInt32
        }
        let key: Key = try JSON.decode(record.payload, what: "the relation record", file: chunk.file)
        return key.relation
    }

    private mutating func change(
        _ record: Record, _ bytes: UnsafeRawBufferPointer, _ chunk: Chunk, isLayout: Bool,
        _ write: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        switch MessageKind(rawValue: record.payload.first ?? 0) {
        case .relation:
            try keepOrWrite(.relation(LogSlice.identifier(record)), bytes, write)
        case .type:
            try keepOrWrite(.type(LogSlice.identifier(record)), bytes, write)
        case _ where isLayout:
            break
        case .begin:
            guard case .begin(let begin) = try decode(record, chunk) else { break }
            isPast = isPast || range.isPast(begin)
            isInside = true
            isHidden = begin.finalLSN < lastEnd || !range.contains(begin)
            guard !isHidden else { break }
            try writeHeader(write)
            try write(bytes)
            for key in order {
                if let kept = layouts[key] { try kept.withUnsafeBytes { try write($0) } }
            }
            layouts.removeAll()
            order.removeAll()
        case .commit:
            guard case .commit(let commit) = try decode(record, chunk) else { break }
            if !isHidden { try write(bytes) }
            lastEnd = max(lastEnd, commit.endLSN)
            isInside = false
            isHidden = true
        default:
            if isInside {
                if !isHidden { try write(bytes) }
            } else if range.contains(position: record.lsn) {
                try writeHeader(write)
                try write(bytes)
            }
        }
    }

    /// A layout inside a transaction of the range stays where it is; any other is needed by what comes.
    private mutating func keepOrWrite(
        _ key: Key, _ bytes: UnsafeRawBufferPointer, _ write: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        if isInside && !isHidden { return try write(bytes) }
        if layouts.updateValue(Array(bytes), forKey: key) == nil { order.append(key) }
    }

    private static func identifier(_ record: Record) -> UInt32 {
        guard record.payload.count >= 5 else { return 0 }
        return UInt32(bigEndian: record.payload.loadUnaligned(fromByteOffset: 1, as: UInt32.self))
    }

    private mutating func writeHeader(_ write: (UnsafeRawBufferPointer) throws -> Void) throws {
        guard !isHeaderWritten, var header else { return }
        isHeaderWritten = true
        if lastEnd > header.start {
            header.start = lastEnd
            header.previous = nil
        }
        buffer.removeAll()
        buffer.append(.header, lsn: header.start, payload: JSON.encode(header))
        try withExtendedLifetime(buffer) { try write(buffer.bytes) }
    }

    private func decode(_ record: Record, _ chunk: Chunk) throws(SpoolError) -> Message {
        do throws(PgOutputError) {
            return try Message(decoding: record.payload)
        } catch {
            throw SpoolError(.corrupt, "\(error) (record at LSN \(record.lsn))", file: chunk.file, offset: chunk.offset)
        }
    }
}
