import PgOutput

/// Writes each change as a statement of its own, in the source's order; only consecutive inserts are grouped.
final class OrderedStatements: StatementStrategy {
    let text = TextBuffer(capacity: 1 << 20)
    private var run = InsertRun()
    private let maxRunRows: Int
    private let maxRunBytes: Int
    /// Where the open transaction's text begins; the end of the text when none is open.
    private var openStart = 0
    private var isOpen = false
    private var completedWrites = false
    private var openWrites = false
    private(set) var tookWrites = false

    /// - Parameters:
    ///   - maxRunRows: the most rows that one INSERT or COPY may have.
    ///   - maxRunBytes: the most bytes that one may have before it is closed.
    init(maxRunRows: Int, maxRunBytes: Int) {
        self.maxRunRows = maxRunRows
        self.maxRunBytes = maxRunBytes
    }

    var byteCount: Int { text.count + run.byteCount }
    var hasCompleted: Bool { openStart > 0 || run.completedRows > 0 }

    func begin() {
        isOpen = true
        openStart = text.count
        run.complete()
    }

    func rollback() {
        text.truncate(to: openStart)
        run.rollback()
        isOpen = false
        openWrites = false
    }

    func commit() {
        isOpen = false
        openStart = text.count
        run.complete()
        completedWrites = completedWrites || openWrites
        openWrites = false
    }

    /// Notes that the statement just written changes rows.
    func wrote() {
        if isOpen { openWrites = true } else { completedWrites = true }
    }

    func layout(_ table: TablePlan) {}

    func insert(_ table: TablePlan, _ new: Tuple, message: UnsafeRawBufferPointer) throws(BatchError) {
        try RowWriter.check(table, new)
        if run.table !== table || run.rows >= maxRunRows || run.byteCount >= maxRunBytes { try closeRun() }
        wrote()
        if table.writableCount > 0 {
            return try run.append(table, new, message: message)
        }
        text.append(string: "INSERT INTO \(table.name) DEFAULT VALUES; -- rows:1\n")
    }

    func truncate(_ tables: [TablePlan], cascade: Bool, restartIdentity: Bool) throws(BatchError) {
        guard !tables.isEmpty else { return }
        try closeRun()
        text.append("TRUNCATE ")
        for (index, table) in tables.enumerated() {
            if index > 0 { text.append(", ") }
            table.write(table.target, to: text)
        }
        if restartIdentity { text.append(" RESTART IDENTITY") }
        if cascade { text.append(" CASCADE") }
        text.append(";\n")
        wrote()
    }

    func comment(_ line: UnsafeRawBufferPointer) throws(BatchError) {
        try closeRun()
        text.append(line)
        text.append("\n")
        if !isOpen { openStart = text.count }
    }

    /// Ends the run of inserts, so that another statement can follow. The rows of earlier transactions become a
    /// statement of their own, so that dropping the open transaction does not touch them.
    func closeRun() throws(BatchError) {
        guard run.rows > 0 else { return }
        try settleCompletedRows()
        try run.writeAll(to: text)
    }

    private func settleCompletedRows() throws(BatchError) {
        guard run.completedRows > 0 else { return }
        // Nothing of the open transaction can stand in the text yet: it would have ended the run.
        try run.writeCompleted(to: text)
        openStart = text.count
    }

    func takeCompleted(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        try settleCompletedRows()
        tookWrites = completedWrites
        try body(text.bytes(0..<openStart))
        text.removeFirst(openStart)
        openStart = 0
        completedWrites = false
    }

    func takeAll(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        try closeRun()
        tookWrites = completedWrites || openWrites
        try body(text.bytes)
        text.clear()
        openStart = 0
        completedWrites = false
        openWrites = false
    }
}
