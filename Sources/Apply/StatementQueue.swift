import Batches

/// Statements that are collected to be sent as one string, and the row counts that they must report. The data of a COPY
/// among them waits beside it, until the server asks for it.
struct StatementQueue {
    private var sql: [UInt8] = []
    private var data: [UInt8] = []
    private var entries: [Entry] = []
    /// The data of the last COPY comes from elsewhere, after what is here of it.
    private(set) var isLastCopyOpen = false
    /// How many of the statements are COPYs.
    private(set) var copyCount = 0

    /// What a statement is for, and so what it means when it reports another number of rows.
    enum Purpose {
        /// It changes rows as the source did.
        case rows
        /// It moves the position, or holds it: the row is elsewhere.
        case move
        /// It looks whether this transaction has moved the position: something else did.
        case check
    }

    struct Entry {
        let range: Range<Int>
        let expectedRows: Int?
        let purpose: Purpose
        /// What is kept of a COPY's data.
        fileprivate(set) var dataRange: Range<Int>?

        var isCopy: Bool { dataRange != nil }
    }

    init(capacity: Int) {
        sql.reserveCapacity(capacity + (64 << 10))
    }

    /// The length of the statements and the data, in bytes.
    var byteCount: Int { sql.count + data.count }
    /// The number of statements.
    var count: Int { entries.count }
    var isEmpty: Bool { entries.isEmpty }

    subscript(index: Int) -> Entry { entries[index] }

    mutating func append(_ statement: UnsafeRawBufferPointer, expectedRows: Int?, purpose: Purpose = .rows) {
        let start = sql.count
        sql.append(contentsOf: statement)
        entries.append(Entry(range: start..<sql.count, expectedRows: expectedRows, purpose: purpose))
    }

    /// Appends a COPY, whose data follows.
    mutating func beginCopy(_ statement: UnsafeRawBufferPointer, expectedRows: Int?) {
        append(statement, expectedRows: expectedRows)
        entries[entries.count - 1].dataRange = data.count..<data.count
        copyCount += 1
    }

    /// Keeps data of the last COPY.
    mutating func appendCopyData(_ bytes: UnsafeRawBufferPointer) {
        guard let start = entries.last?.dataRange?.lowerBound else { return }
        data.append(contentsOf: bytes)
        entries[entries.count - 1].dataRange = start..<data.count
    }

    /// No more data of the last COPY is kept here, and its end is not here.
    mutating func leaveCopyOpen() { isLastCopyOpen = true }

    /// What is kept of a COPY's data.
    func withCopyData<Failure: Error>(
        _ index: Int, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        guard let range = entries[index].dataRange else { return }
        try data.span.withUnsafeBytes { bytes throws(Failure) in
            try body(UnsafeRawBufferPointer(rebasing: bytes[range]))
        }
    }

    /// How many COPYs there are up to the statement at `index`.
    func copies(through index: Int) -> Int { entries.prefix(index + 1).count { $0.isCopy } }

    mutating func terminate() {
        sql.append(0)
    }

    mutating func removeAll() {
        // The memory that one huge statement took is given back.
        sql.removeAll(keepingCapacity: sql.count < (4 << 20))
        data.removeAll(keepingCapacity: data.count < (8 << 20))
        entries.removeAll(keepingCapacity: true)
        isLastCopyOpen = false
        copyCount = 0
    }

    func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try sql.span.withUnsafeBytes(body)
    }

    /// The statement at `index`; nil past the last.
    func statement(_ index: Int) -> [UInt8]? {
        entries.indices.contains(index) ? Array(sql[entries[index].range]) : nil
    }

    /// All that is sent together.
    var all: [UInt8] { entries.last.map { Array(sql[..<$0.range.upperBound]) } ?? [] }

    /// The table that the statement at `index` is about; nil past the last.
    func table(_ index: Int) -> String? {
        guard entries.indices.contains(index) else { return nil }
        return withBytes { StatementLabel.table(of: UnsafeRawBufferPointer(rebasing: $0[entries[index].range])) }
    }
}
