import PgOutput
import Postgres
import Selection
import Spool

/// Goes through the records of a log in order and says what happens in a range of it, transaction by transaction.
///
/// Nothing is kept of a transaction but its counters, so that its size does not matter. Repeats, which a log may hold,
/// are left out.
public struct LogWalker {
    private let range: LogRange
    private let operations: Operations
    private var cursor: TransactionCursor
    /// What is known of the transaction that is open, and wanted.
    private var transaction: LogTransaction?
    /// The tables that the present segment has introduced so far.
    public let layouts: Layouts
    /// No transaction from here to the end of the segment can be in the range.
    public var isPast: Bool { cursor.isPast }

    private let isContinuous: Bool
    /// The log is complete up to here, by the commits, watermarks and ends that were met, in the range or not.
    public private(set) var reached = LSN.zero

    /// A walk over the range, with the changes that are selected.
    ///
    /// - Parameters:
    ///   - mappings: names under which tables are shown instead of their own.
    ///   - isContinuous: what was met once is left out also when a segment begins again, as one that is followed may.
    public init(
        range: LogRange = LogRange(), selection: Selection = Selection(), mappings: [TableMapping] = [],
        isContinuous: Bool = false
    ) {
        self.range = range
        cursor = TransactionCursor(range.positions, .resumed)
        self.isContinuous = isContinuous
        operations = selection.operations
        layouts = Layouts(selection, mappings)
    }

    /// Takes the next chunk and hands on what is in it.
    ///
    /// - Throws: ``SpoolError`` with `corrupt` when a message cannot be decoded or lacks its layout, and what `visit`
    ///   throws.
    public mutating func take(
        _ chunk: Chunk, _ role: RangeReader.Role, visit: (LogEvent) throws -> Void
    ) throws {
        if role == .resumed {
            try abandon(visit)
            cursor.resume()
        }
        var records = RecordCursor(chunk)
        while let record = try records.next() {
            switch record.kind {
            case .header:
                try begin(try SegmentHeader(payload: record.payload, file: chunk.file), chunk.file, visit)
            case .relation:
                try layouts.addFacts(record.payload, file: chunk.file)
            case .watermark where role != .layouts:
                reached = max(reached, record.lsn)
                if range.contains(position: record.lsn) { try visit(.watermark(record.lsn)) }
            case .end where role != .layouts:
                let mark: EndMark = try JSON.decode(record.payload, what: "the end record", file: chunk.file)
                reached = max(reached, record.lsn)
                if range.contains(position: record.lsn) { try visit(.end(mark, record.lsn)) }
            case .watermark, .end:
                break
            case .change:
                try change(record, chunk, isLayout: role == .layouts, visit)
            }
        }
    }

    /// Says so when the log ends inside a transaction.
    public mutating func finish(visit: (LogEvent) throws -> Void) throws {
        try abandon(visit)
        cursor.resume()
    }

    private mutating func begin(
        _ header: SegmentHeader, _ file: String, _ visit: (LogEvent) throws -> Void
    ) throws {
        try abandon(visit)
        cursor.start(at: isContinuous ? max(cursor.lastEnd, header.start) : header.start)
        layouts.removeAll()
        try visit(.segment(header, file: file, reached: reached))
        reached = max(reached, header.start)
    }

    private mutating func abandon(_ visit: (LogEvent) throws -> Void) throws {
        guard let transaction else { return }
        self.transaction = nil
        cursor.abandon()
        try visit(.unfinished(transaction))
    }

    private mutating func change(
        _ record: Record, _ chunk: Chunk, isLayout: Bool, _ visit: (LogEvent) throws -> Void
    ) throws {
        transaction?.bytes += UInt64(record.size)
        let kind = MessageKind(rawValue: record.payload.first ?? 0)
        switch kind {
        case .relation:
            guard case .relation(let relation) = try record.message(in: chunk) else { return }
            try layouts.add(relation)
            if !isLayout { try other(.relation(relation), record, chunk, visit) }
        case _ where isLayout:
            return
        case .begin:
            guard case .begin(let begin) = try record.message(in: chunk) else { return }
            try abandon(visit)
            let previous = cursor.lastEnd
            guard cursor.begin(begin, isSelected: range.containsTime(of: begin)) else { return }
            let transaction = LogTransaction(begin, previous: previous)
            self.transaction = transaction
            try visit(.begin(transaction))
        case .commit:
            guard case .commit(let commit) = try record.message(in: chunk) else { return }
            let closing = try cursor.commit(commit, in: chunk)
            reached = max(reached, commit.endLSN)
            switch closing {
            case .cutOff: try abandon(visit)
            case .whole: if let transaction { try visit(.commit(commit, transaction)) }
            case .passed: break
            }
            transaction = nil
        case .insert: try row(record, chunk, .insert, visit)
        case .update: try row(record, chunk, .update, visit)
        case .delete: try row(record, chunk, .delete, visit)
        case .truncate: try truncate(record, chunk, visit)
        case .origin, .type, .logicalMessage:
            try other(nil, record, chunk, visit)
        case nil:
            throw record.corrupt("a message of an unknown kind", in: chunk)
        }
    }

    private mutating func row(
        _ record: Record, _ chunk: Chunk, _ operation: Operations, _ visit: (LogEvent) throws -> Void
    ) throws {
        guard let transaction = try counted(record, chunk) else { return }
        guard record.payload.count >= 5 else { throw record.corrupt("a change is too short", in: chunk) }
        let relation = UInt32(bigEndian: record.payload.loadUnaligned(fromByteOffset: 1, as: UInt32.self))
        guard try isSelected(relation, record, chunk), operations.contains(operation) else { return }
        try visit(.change(try record.message(in: chunk), operation, transaction, lsn: record.lsn))
    }

    private mutating func truncate(
        _ record: Record, _ chunk: Chunk, _ visit: (LogEvent) throws -> Void
    ) throws {
        guard let transaction = try counted(record, chunk), operations.contains(.truncate) else { return }
        let message = try record.message(in: chunk)
        guard case .truncate(let truncate) = message else { return }
        var isSelected = false
        for relation in truncate.relations where try self.isSelected(relation, record, chunk) { isSelected = true }
        if isSelected { try visit(.change(message, .truncate, transaction, lsn: record.lsn)) }
    }

    /// The transaction with this change counted; nil when the change is not in the range.
    private mutating func counted(_ record: Record, _ chunk: Chunk) throws -> LogTransaction? {
        if cursor.state == .outside { throw record.corrupt("a change outside any transaction", in: chunk) }
        guard transaction != nil else { return nil }
        transaction?.changes += 1
        if transaction?.firstChange == nil { transaction?.firstChange = record.lsn }
        return transaction
    }

    private func isSelected(_ relation: UInt32, _ record: Record, _ chunk: Chunk) throws -> Bool {
        guard let isSelected = layouts.isSelected(relation) else {
            throw record.corrupt("the segment lacks the layout of relation \(relation)", in: chunk)
        }
        return isSelected
    }

    private func other(
        _ decoded: Message? = nil, _ record: Record, _ chunk: Chunk, _ visit: (LogEvent) throws -> Void
    ) throws {
        switch cursor.state {
        case .inside: break
        case .outside where range.contains(position: record.lsn): break
        case .resumed where range.isUnbounded: break
        case .outside, .passing, .resumed: return
        }
        try visit(.other(try decoded ?? record.message(in: chunk), lsn: record.lsn))
    }
}
