import PgOutput

/// Consecutive inserts into one table. The first rows are held as messages, because a small run becomes one INSERT;
/// from the eighth on rows are written as COPY data at once.
///
/// A run may begin in one transaction and continue in the next; its first ``completedRows`` belong to complete ones.
struct InsertRun {
    /// Runs shorter than this become an INSERT.
    static let copyThreshold = 8
    /// Held messages longer than this in all become COPY data early, in bytes.
    private static let heldBytesMax = 256 << 10

    /// The lane that its rows belong to.
    private let lane: Int
    private(set) var table: TablePlan?
    private(set) var rows = 0
    private(set) var completedRows = 0
    private var completedBytes = 0
    private var isHeld = true
    private let held = TextBuffer(capacity: 4 << 10)
    private var heldEnds: [Int] = []
    private let data = TextBuffer()

    init(lane: Int = 0) {
        self.lane = lane
        heldEnds.reserveCapacity(InsertRun.copyThreshold)
    }

    /// The memory that the rows take, in bytes.
    var byteCount: Int { held.count + data.count }

    /// Everything so far belongs to complete transactions.
    mutating func complete() {
        completedRows = rows
        completedBytes = byteCount
    }

    /// Drops the rows of the open transaction.
    mutating func rollback() {
        guard completedRows > 0 else { return clear() }
        rows = completedRows
        if isHeld {
            heldEnds.removeLast(heldEnds.count - rows)
            held.truncate(to: completedBytes)
        } else {
            data.truncate(to: completedBytes)
        }
    }

    mutating func clear() {
        table = nil
        rows = 0
        completedRows = 0
        completedBytes = 0
        isHeld = true
        held.clear()
        heldEnds.removeAll(keepingCapacity: true)
        data.clear()
    }

    /// Appends a row that ``RowWriter/check(_:_:)`` found sound.
    mutating func append(_ table: TablePlan, _ new: Tuple, message: UnsafeRawBufferPointer) throws(BatchError) {
        self.table = table
        rows += 1
        guard isHeld else { return RowWriter.copyLine(table, new, to: data) }
        held.append(message)
        heldEnds.append(held.count)
        if rows >= InsertRun.copyThreshold || held.count > min(InsertRun.heldBytesMax, LargeValues.bytesMax) {
            try copyHeld(table)
        }
    }

    private mutating func copyHeld(_ table: TablePlan) throws(BatchError) {
        completedBytes = 0
        var start = 0
        for (index, end) in heldEnds.enumerated() {
            RowWriter.copyLine(table, try InsertRun.decode(held.bytes(start..<end)), to: data)
            start = end
            if index + 1 == completedRows { completedBytes = data.count }
        }
        isHeld = false
        held.clear()
        heldEnds.removeAll(keepingCapacity: true)
    }

    /// Writes the rows of complete transactions as a statement and keeps those of the open one.
    mutating func writeCompleted(to text: TextBuffer) throws(BatchError) {
        guard let table, completedRows > 0 else { return }
        let rest = rows - completedRows
        if isHeld {
            try writeInsert(table, 0..<completedRows, to: text)
            held.removeFirst(completedBytes)
            heldEnds.removeFirst(completedRows)
            for index in heldEnds.indices { heldEnds[index] -= completedBytes }
        } else {
            writeCopy(table, completedRows, data.bytes(0..<completedBytes), to: text)
            data.removeFirst(completedBytes)
        }
        rows = rest
        completedRows = 0
        completedBytes = 0
        if rest == 0 { clear() }
    }

    /// Writes all rows as a statement.
    mutating func writeAll(to text: TextBuffer) throws(BatchError) {
        guard let table, rows > 0 else { return }
        if isHeld {
            try writeInsert(table, 0..<rows, to: text)
        } else {
            writeCopy(table, rows, data.bytes, to: text)
        }
        clear()
    }

    private func writeCopy(_ table: TablePlan, _ rows: Int, _ lines: UnsafeRawBufferPointer, to text: TextBuffer) {
        text.appendCopy(table, rows: rows, lane: lane)
        text.append(lines)
        text.append("\\.\n")
    }

    private func writeInsert(_ table: TablePlan, _ range: Range<Int>, to text: TextBuffer) throws(BatchError) {
        table.write(table.insert, to: text)
        var start = 0
        for (index, end) in heldEnds[range].enumerated() {
            text.append(index == 0 ? "VALUES (" : ",(")
            RowWriter.values(table, try InsertRun.decode(held.bytes(start..<end)), to: text)
            text.append(")")
            start = end
        }
        text.appendStatementEnd(rows: range.count, lane: lane)
    }

    private static func decode(_ message: UnsafeRawBufferPointer) throws(BatchError) -> Tuple {
        do throws(PgOutputError) {
            if case .insert(_, let new) = try Message(decoding: message) { return new }
        } catch {
            throw BatchError(error, lsn: nil)
        }
        throw BatchError(.unexpectedMessage, "a held row is not an Insert message; report this")
    }
}
