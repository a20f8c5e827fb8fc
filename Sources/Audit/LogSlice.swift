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
    private var cursor: TransactionCursor
    /// Types, relation records and Relation messages that were left out, by what they are about.
    private var layouts = LayoutRecords()
    private let buffer = ChunkBuffer(capacity: 64 << 10)
    /// No transaction from here to the end of the segment can be in the range.
    public var isPast: Bool { cursor.isPast }

    /// A slice of a range of positions. Times do not rise with positions, and so cannot bound one.
    public init(_ range: LogRange) {
        self.range = range
        cursor = TransactionCursor(range.positions, .resumed)
    }

    /// Takes the next chunk, and hands on records.
    public mutating func take(
        _ chunk: Chunk, _ role: RangeReader.Role, write: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        if role == .resumed { cursor.resume() }
        var records = RecordCursor(chunk)
        while let record = try records.next() {
            let bytes = chunk.bytes(of: record)
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
        cursor.start(at: header.start)
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
            guard case .begin(let begin) = try record.message(in: chunk) else { break }
            guard cursor.begin(begin) else { break }
            try writeHeader(write)
            try write(bytes)
            try layouts.forEach(write)
            layouts.removeAll()
        case .commit:
            guard case .commit(let commit) = try record.message(in: chunk) else { break }
            // Without its end, the transaction counts as one that was cut off.
            if try cursor.commit(commit, in: chunk) == .whole { try write(bytes) }
        default:
            switch cursor.state {
            case .inside: try write(bytes)
            case .outside where range.contains(position: record.lsn):
                try writeHeader(write)
                try write(bytes)
            case .outside, .passing, .resumed: break
            }
        }
    }

    /// A layout inside a transaction of the range stays where it is; any other is needed by what comes.
    private mutating func keepOrWrite(
        _ record: Record, _ bytes: UnsafeRawBufferPointer, _ chunk: Chunk,
        _ write: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        if cursor.isInside { return try write(bytes) }
        try layouts.keep(record, bytes, file: chunk.file)
    }

    private mutating func writeHeader(_ write: (UnsafeRawBufferPointer) throws -> Void) throws {
        guard !isHeaderWritten, var header else { return }
        isHeaderWritten = true
        if cursor.lastEnd > header.start {
            header.start = cursor.lastEnd
            header.previous = nil
        }
        buffer.removeAll()
        buffer.append(.header, lsn: header.start, payload: JSON.encode(header))
        try withExtendedLifetime(buffer) { try write(buffer.bytes) }
    }
}
