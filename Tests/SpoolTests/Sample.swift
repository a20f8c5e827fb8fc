import Postgres
import Spool

/// The log that the tests write and expect back: transaction 0, 1, 2 … of table 1, each with a few rows.
enum Sample {
    /// A transaction as a reader must find it.
    struct Transaction: Equatable {
        var end: LSN
        var values: [String]
    }

    static let start = LSN(rawValue: 0x1000)
    static let identity = SpoolIdentity(systemIdentifier: "7001", database: "app", slot: "relay")

    static func header(
        start: LSN = start, system: String = "7001", timeline: UInt32 = 1, history: [TimelineEnd]? = nil,
        previous: String? = nil
    ) -> SegmentHeader {
        SegmentHeader(
            systemIdentifier: system, timeline: timeline, database: "app", slot: "relay",
            pluginOptions: ["proto_version": "1"], publications: ["all"], serverVersion: 150_018, encoding: "UTF8",
            start: start, previous: previous, history: history, tool: "tests")
    }

    /// Where transaction `number` ends; -1 is the start of the log.
    static func end(_ number: Int) -> LSN {
        LSN(rawValue: 0x1000 + UInt64(number + 1) * 0x100)
    }

    static func values(_ number: Int) -> [String] {
        (0..<2 + number % 3).map { "value \(number).\($0)" }
    }

    static func transactions(_ numbers: Range<Int>) -> [Transaction] {
        numbers.map { Transaction(end: end($0), values: values($0)) }
    }

    /// Appends whole transactions, the first with its table's layout.
    static func append(_ numbers: Range<Int>, to buffer: ChunkBuffer, layout: Bool = true) {
        for number in numbers {
            appendHead(number, to: buffer, layout: layout && number == numbers.lowerBound)
            appendTail(number, to: buffer)
        }
    }

    /// Appends a transaction without its last row and its commit.
    static func appendHead(_ number: Int, to buffer: ChunkBuffer, layout: Bool = false) {
        let final = end(number).rawValue - 8
        buffer.append(.change, lsn: LSN(rawValue: final), payload: Build.begin(final))
        if layout { appendLayout(to: buffer) }
        for value in values(number).dropLast() {
            buffer.append(.change, lsn: LSN(rawValue: final), payload: Build.insert(1, Array(value.utf8)))
        }
    }

    static func appendTail(_ number: Int, to buffer: ChunkBuffer) {
        let end = end(number).rawValue
        let value = values(number).last ?? ""
        buffer.append(.change, lsn: LSN(rawValue: end - 8), payload: Build.insert(1, Array(value.utf8)))
        buffer.append(.change, lsn: LSN(rawValue: end), payload: Build.commit(end - 8, end: end))
    }

    static func appendLayout(to buffer: ChunkBuffer) {
        buffer.append(.relation, lsn: start, payload: Array(#"{"relation":1}"#.utf8))
        buffer.append(.change, lsn: start, payload: Build.relation(1, "t"))
    }

    /// A chunk of whole transactions.
    static func chunk(_ numbers: Range<Int>, layout: Bool = false) -> ChunkBuffer {
        let buffer = ChunkBuffer(capacity: 4096)
        append(numbers, to: buffer, layout: layout)
        return buffer
    }

    /// Writes and seals a segment of two transactions a chunk, which follows transaction `numbers.lowerBound - 1`.
    @discardableResult
    static func segment(_ numbers: Range<Int>, in spool: SpoolDirectory, previous: String? = nil) throws -> String {
        let writer = try open(numbers, in: spool, previous: previous)
        return try writer.seal()
    }

    /// Writes a segment of two transactions a chunk and leaves it open.
    static func open(_ numbers: Range<Int>, in spool: SpoolDirectory, previous: String? = nil) throws -> SegmentWriter {
        let writer = try spool.begin(header(start: end(numbers.lowerBound - 1), previous: previous))
        for first in stride(from: numbers.lowerBound, to: numbers.upperBound, by: 2) {
            let some = first..<min(first + 2, numbers.upperBound)
            try writer.write(chunk(some, layout: first == numbers.lowerBound))
        }
        return writer
    }
}

extension SegmentWriter {
    /// Writes a chunk that nobody else keeps.
    func write(_ chunk: ChunkBuffer) throws {
        try withExtendedLifetime(chunk) { try append(chunk.bytes) }
    }
}
