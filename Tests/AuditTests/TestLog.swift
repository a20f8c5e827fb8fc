import Postgres
import Spool
import TestSupport

/// A spool in a temporary folder, written transaction by transaction. Transaction `n` ends at 0x1000 + n * 0x100, its
/// commit record begins 8 before that, and it commits in second `n` of the year 2000 unless it is told otherwise.
final class TestLog {
    let folder: TemporaryFolder
    let spool: SpoolDirectory
    private let lock: SpoolLock
    private var writer: SegmentWriter?
    private var position: UInt64 = 0x1000
    private var previous: String?
    /// The names of the sealed segments.
    private(set) var names: [String] = []

    init() throws {
        folder = try TemporaryFolder("audit")
        spool = SpoolDirectory(folder.path("s"))
        lock = try spool.open(for: SpoolIdentity(systemIdentifier: "7001", database: "app", slot: "relay"))
    }

    static func end(_ number: Int) -> LSN { LSN(rawValue: 0x1000 + UInt64(number) * 0x100) }

    func path(_ name: String) -> String { spool.segmentsPath + "/" + name }

    /// Writes one chunk of bare messages.
    func chunk(_ messages: [[UInt8]], at lsn: UInt64) throws {
        let writer = try writer ?? open()
        let buffer = ChunkBuffer(capacity: 4096)
        for message in messages { buffer.append(.change, lsn: LSN(rawValue: lsn), payload: message) }
        try withExtendedLifetime(buffer) { try writer.append(buffer.bytes) }
    }

    /// Writes a transaction as a chunk of its own.
    func transaction(_ number: Int, second: Int? = nil, xid: UInt32? = nil, _ messages: [[UInt8]]) throws {
        let end = TestLog.end(number).rawValue
        let time = Int64(second ?? number) * 1_000_000
        try chunk(
            [Wire.begin(end - 8, time: time, xid: xid ?? UInt32(number))] + messages
                + [Wire.commit(end - 8, end: end, time: time)], at: end - 0x80)
        position = end
    }

    /// Writes transactions as one chunk.
    func transactions(_ numbers: ClosedRange<Int>, _ messages: (Int) -> [[UInt8]]) throws {
        try chunk(
            numbers.flatMap { number in
                let end = TestLog.end(number).rawValue
                let time = Int64(number) * 1_000_000
                return [Wire.begin(end - 8, time: time, xid: UInt32(number))] + messages(number)
                    + [Wire.commit(end - 8, end: end, time: time)]
            }, at: TestLog.end(numbers.lowerBound).rawValue - 0x80)
        position = TestLog.end(numbers.upperBound).rawValue
    }

    private func open() throws -> SegmentWriter {
        let header = SegmentHeader(
            systemIdentifier: "7001", timeline: 1, database: "app", slot: "relay", pluginOptions: [:],
            publications: ["all"], serverVersion: 150_000, encoding: "UTF8", start: LSN(rawValue: position),
            previous: previous, tool: "tests")
        let made = try spool.begin(header)
        writer = made
        return made
    }

    @discardableResult
    func seal() throws -> String {
        let name = try writer?.seal() ?? ""
        writer = nil
        previous = name
        names.append(name)
        return name
    }

    /// Text that LZ4 cannot make smaller, so that a chunk with it makes a part of the index.
    static func noise(_ count: Int, seed: UInt64) -> [UInt8] {
        let start = Int(seed % 11) * 200_000
        return Array(allNoise[start..<start + count])
    }

    /// Made once: it takes a debug build a while.
    private static let allNoise: [UInt8] = {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        let letters = Array("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-".utf8)
        return (0..<2_400_000).map { _ in
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return letters[Int(state >> 58)]
        }
    }()

    /// Ten transactions of one row, each a chunk and a part of its own, and the second, fourth … of another table that
    /// the second introduces.
    func writeParts(seconds: [Int] = Array(1...10)) throws -> String {
        for number in 1...10 {
            let id = UInt32(2 - number % 2)
            var messages: [[UInt8]] = []
            if number <= 2 { messages.append(Wire.relation(id, id == 1 ? "t" : "u", ["id*", "v"])) }
            let text = Wire.Cell.text(TestLog.noise(190_000, seed: UInt64(number)))
            messages.append(Wire.insert(id, [.text(Array("\(number)".utf8)), text]))
            try transaction(number, second: seconds[number - 1], messages)
        }
        return try seal()
    }
}
