import PgOutput

/// Writes each change as a statement of its own, in the source's order; only consecutive inserts are grouped.
final class OrderedStatements: StatementStrategy {
    let text = TextBuffer(capacity: 1 << 20)
    private(set) lazy var large = LargeValues(text: text)
    /// Inserts into ``runTable``, by lane.
    private var runs: [InsertRun]
    private var runTable: TablePlan?
    private let lanes: Int
    private let maxRunRows: Int
    private let maxRunBytes: Int
    /// Where the open transaction's text begins; the end of the text when none is open.
    private var openStart = 0
    private var isOpen = false

    /// - Parameters:
    ///   - maxRunRows: the most rows that one INSERT or COPY may have.
    ///   - maxRunBytes: the most bytes that one may have before it is closed.
    ///   - lanes: the lanes that statements are divided into; see ``Lane``.
    init(maxRunRows: Int, maxRunBytes: Int, lanes: Int = 1) {
        self.lanes = lanes
        runs = (0..<lanes).map { InsertRun(lane: $0) }
        self.maxRunRows = maxRunRows
        self.maxRunBytes = maxRunBytes
    }

    var byteCount: Int { runs.reduce(text.count) { $0 + $1.byteCount } }
    var hasCompleted: Bool { openStart > 0 || hasCompletedRows }
    private var hasCompletedRows: Bool { runs.contains { $0.completedRows > 0 } }

    func begin() {
        isOpen = true
        openStart = text.count
        completeRuns()
    }

    func rollback() {
        text.truncate(to: openStart)
        for lane in runs.indices { runs[lane].rollback() }
        isOpen = false
    }

    func commit() {
        isOpen = false
        openStart = text.count
        completeRuns()
    }

    private func completeRuns() {
        for lane in runs.indices { runs[lane].complete() }
    }

    func layout(_ table: TablePlan) {}

    func insert(_ table: TablePlan, _ new: Tuple, message: UnsafeRawBufferPointer) throws(BatchError) {
        try RowWriter.check(table, new)
        let lane = self.lane(of: table, inserted: new)
        if runTable !== table || runs[lane].rows >= maxRunRows || runs[lane].byteCount >= maxRunBytes {
            try closeRun()
        }
        if table.writableCount > 0 {
            runTable = table
            return try runs[lane].append(table, new, message: message)
        }
        text.append(string: "INSERT INTO \(table.name) DEFAULT VALUES")
        text.appendStatementEnd(rows: 1, lane: lane)
    }

    func truncate(_ tables: [TablePlan], cascade: Bool, restartIdentity: Bool) throws(BatchError) {
        guard !tables.isEmpty else { return }
        try barrier()
        text.append("TRUNCATE ")
        for (index, table) in tables.enumerated() {
            if index > 0 { text.append(", ") }
            table.write(table.target, to: text)
        }
        if restartIdentity { text.append(" RESTART IDENTITY") }
        if cascade { text.append(" CASCADE") }
        text.append(";\n")
    }

    func comment(_ line: UnsafeRawBufferPointer) throws(BatchError) {
        try closeRun()
        text.append(line)
        text.append("\n")
        if !isOpen { openStart = text.count }
    }

    /// What follows depends on what came before in other lanes.
    func barrier() throws(BatchError) {
        try closeRun()
        if lanes > 1 { text.append("-- walrelay barrier {}\n") }
    }

    /// The lane of a statement about one row of `table`, all of whose rows have the same.
    func lane(of table: TablePlan) -> Int {
        lanes > 1 ? Lane.of(table.laneSeed, count: lanes) : 0
    }

    /// Rows that cannot be updated or deleted, because nothing identifies them, can go in by any way.
    private func lane(of table: TablePlan, inserted new: Tuple) -> Int {
        guard lanes > 1, table.identity == .none else { return lane(of: table) }
        return Lane.of(new.bytes, seed: table.laneSeed, count: lanes)
    }

    /// Ends the run of inserts, so that another statement can follow. The rows of earlier transactions become a
    /// statement of their own, so that dropping the open transaction does not touch them.
    func closeRun() throws(BatchError) {
        guard runTable != nil else { return }
        try settleCompletedRows()
        for lane in runs.indices { try runs[lane].writeAll(to: text) }
        runTable = nil
    }

    private func settleCompletedRows() throws(BatchError) {
        guard hasCompletedRows else { return }
        // Nothing of the open transaction can stand in the text yet: it would have ended the run.
        for lane in runs.indices { try runs[lane].writeCompleted(to: text) }
        openStart = text.count
    }

    func takeCompleted(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        try settleCompletedRows()
        try body(text.bytes(0..<openStart))
        text.removeFirst(openStart)
        openStart = 0
    }

    func takeAll(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        try closeRun()
        try body(text.bytes)
        text.clear()
        openStart = 0
    }
}
