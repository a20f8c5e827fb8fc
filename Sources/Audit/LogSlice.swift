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
    private var layouts = LayoutRecords()
    private let buffer = ChunkBuffer(capacity: 64 << 10)
    /// No transaction from here to the end of the segment can be in the range.
    public private(set) var isPast = false

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
                try keepOrWrite(record, bytes, chunk, write)
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
    }

    private mutating func change(
        _ record: Record, _ bytes: UnsafeRawBufferPointer, _ chunk: Chunk, isLayout: Bool,
        _ write: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        switch MessageKind(rawValue: record.payload.first ?? 0) {
        case .relation, .type:
            try keepOrWrite(record, bytes, chunk, write)
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
            try layouts.forEach(write)
            layouts.removeAll()
        case .commit:
            guard case .commit(let commit) = try decode(record, chunk) else { break }
            // Without its end, the transaction counts as one that was cut off.
            if try range.isCutOff(commit) { isPast = true } else if !isHidden { try write(bytes) }
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
        _ record: Record, _ bytes: UnsafeRawBufferPointer, _ chunk: Chunk,
        _ write: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        if isInside && !isHidden { return try write(bytes) }
        try layouts.keep(record, bytes, file: chunk.file)
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
