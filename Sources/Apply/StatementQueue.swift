/// Statements that are collected to be sent as one string, and the row counts that they must report.
struct StatementQueue {
    private var sql: [UInt8] = []
    private var entries: [Entry] = []

    struct Entry {
        let range: Range<Int>
        let expectedRows: Int?
        /// Another number of rows is an error whatever the user said.
        let isStrict: Bool
    }

    init(capacity: Int) {
        sql.reserveCapacity(capacity + (64 << 10))
    }

    /// The statements' length, in bytes.
    var byteCount: Int { sql.count }
    /// The number of statements.
    var count: Int { entries.count }
    var isEmpty: Bool { entries.isEmpty }

    subscript(index: Int) -> Entry { entries[index] }

    mutating func append(_ statement: UnsafeRawBufferPointer, expectedRows: Int?, isStrict: Bool) {
        let start = sql.count
        sql.append(contentsOf: statement)
        entries.append(Entry(range: start..<sql.count, expectedRows: expectedRows, isStrict: isStrict))
    }

    mutating func terminate() {
        sql.append(0)
    }

    mutating func removeAll() {
        // The memory that one huge statement took is given back.
        sql.removeAll(keepingCapacity: sql.count < (4 << 20))
        entries.removeAll(keepingCapacity: true)
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
