import PgOutput
import Postgres
import Spool
import TestSupport
import Testing

/// A transaction that is collected beside the log comes into it whole, without what was rolled back.
@Suite(.timeLimit(.minutes(2))) struct TransactionFileTests {
    private let it: TestSpool
    private let file: TransactionFile

    init() throws {
        it = try TestSpool()
        file = try TransactionFile(path: it.folder.path("1.txn"))
    }

    /// A message as it is sent in a stream: with a transaction id behind its kind byte.
    private func append(_ message: [UInt8], xid: UInt32 = 1) throws {
        let id = withUnsafeBytes(of: xid.bigEndian) { Array($0) }
        try (message.prefix(1) + id + message.dropFirst()).withUnsafeBytes {
            try file.append(lsn: LSN(rawValue: 0x1010), payload: $0)
        }
    }

    private func value(_ number: Int) -> String { "\(number) " + String(repeating: "value ", count: 20) }

    private func appendRows(_ numbers: Range<Int>, xid: UInt32 = 1) throws {
        for number in numbers { try append(Build.insert(1, Array(value(number).utf8)), xid: xid) }
    }

    /// Writes the transaction into a segment as the log does. Returns the sealed file, and how many chunks were taken
    /// as they are.
    private func splice(without aborted: Set<UInt32> = []) throws -> (path: String, whole: Int) {
        let writer = try it.spool.begin(Sample.header())
        let buffer = ChunkBuffer(capacity: 4096)
        buffer.append(.change, lsn: LSN(rawValue: 0x1010), payload: Build.begin(0x10F8))
        Sample.appendLayout(to: buffer)
        let reader = try file.reader()
        var whole = 0
        while let summary = try reader.next() {
            if reader.isWhole(without: aborted) {
                whole += 1
                if buffer.count > 0 { try writer.append(buffer.bytes) }
                try reader.takeFrame(into: buffer)
                try writer.append(frame: buffer.bytes, summary)
                buffer.removeAll()
            } else {
                while let record = try reader.record(without: aborted) {
                    buffer.append(record.kind, flags: record.flags, lsn: record.lsn, payload: record.payload)
                }
            }
        }
        buffer.append(.change, lsn: LSN(rawValue: 0x1100), payload: Build.commit(0x10F8, end: 0x1100))
        try writer.write(buffer)
        return (it.path(try writer.seal()), whole)
    }

    @Test func chunksJoinTheLogAsTheyAreAndItsFooterCountsThem() throws {
        try appendRows(0..<10_000)
        try append(Build.update(1, Array("changed".utf8)))
        try append(Build.delete(1, Array("changed".utf8)))
        try append(Build.truncate([1, 2]))
        try appendRows(10_000..<20_000)
        let (path, whole) = try splice()
        #expect(whole >= 5)
        #expect(
            try contents(path).transactions == [Sample.Transaction(end: Sample.end(0), values: (0..<20_000).map(value))]
        )
        // The audit reads every record, and compares what it counts with the footer.
        let report = SegmentVerifier().verify(path: path)
        #expect(report.state == .ok, "\(report.message ?? "")")
        #expect(report.changes == 20_004 && report.transactions == 1)
    }

    @Test func whatWasRolledBackDoesNotJoinTheLog() throws {
        try appendRows(0..<8_000)
        try appendRows(8_000..<8_003, xid: 2)
        try appendRows(8_003..<16_000)
        try appendRows(16_000..<16_010, xid: 3)
        try appendRows(16_010..<24_000)
        let (path, whole) = try splice(without: [2, 9])
        let expected = (0..<8_000).map(value) + (8_003..<24_000).map(value)
        #expect(try contents(path).transactions == [Sample.Transaction(end: Sample.end(0), values: expected)])
        #expect(SegmentVerifier().verify(path: path).state == .ok)
        // Only the chunk that holds them is read.
        #expect(whole >= 4)
    }

    @Test func layoutsAndSmallChunksAreReadRecordByRecord() throws {
        try append(Build.relation(1, "t"))
        try appendRows(0..<5_000)
        try file.rest()
        try appendRows(5_000..<5_100)
        try file.rest()
        let reader = try file.reader()
        var found: [UInt8] = []
        var sizes: [Int] = []
        while let summary = try reader.next() {
            sizes.append(summary.records)
            if sizes.count == 1 || summary.records == 100 { #expect(!reader.isWhole(without: [])) }
            while let record = try reader.record(without: []) {
                #expect(record.flags == .streamed && record.kind == .change)
                found.append(record.payload[0])
            }
        }
        #expect(sizes.last == 100 && sizes.reduce(0, +) == 5_101)
        #expect(
            found == [MessageKind.relation.rawValue] + [UInt8](repeating: MessageKind.insert.rawValue, count: 5_100))
    }

    @Test func aMessageThatCannotBeInAStreamIsRefused() throws {
        for message in [Build.begin(1), Build.commit(1, end: 2), Array("Iab".utf8), Array("?1234567".utf8)] {
            #expect(throws: PgOutputError.self) { try append(message) }
        }
        #expect(throws: PgOutputError.self) {
            try file.append(lsn: .zero, payload: UnsafeRawBufferPointer(start: nil, count: 0))
        }
    }

    @Test func aDamagedFileNeverGivesAnythingElse() throws {
        try append(Build.relation(1, "t"))
        try appendRows(0..<6_000)
        try file.rest()
        let bytes = try it.folder.read("1.txn")
        func records() throws -> (digest: UInt64, frames: UInt64) {
            let reader = try file.reader()
            let (taken, frame) = (ChunkBuffer(capacity: 4096), ChunkBuffer(capacity: 4096))
            var frames: UInt64 = 0
            while try reader.next() != nil {
                if reader.isWhole(without: []) {
                    try reader.takeFrame(into: frame)
                    frames = frames &* 31 &+ XXH64.hash(frame.bytes)
                } else {
                    while let record = try reader.record(without: [7]) { taken.append(record.payload) }
                }
            }
            return (XXH64.hash(taken.bytes), frames)
        }
        let right = try records()
        #expect(right.frames != 0)
        var refused = 0
        for offset in stride(from: 0, to: bytes.count, by: 97) {
            var damaged = bytes
            damaged[offset] ^= 0x10
            try it.folder.write("1.txn", damaged)
            do {
                // LZ4 can say one thing in several ways; what it says is checked.
                if try records() != right { Issue.record("byte \(offset)") }
            } catch {
                #expect((error as? SpoolError)?.code == .corrupt)
                refused += 1
            }
            if offset % (97 * 50) == 0 {
                try it.folder.write("1.txn", Array(bytes[..<offset]))
                #expect((try? records()).map { $0 == right } != true, "cut at \(offset)")
            }
        }
        #expect(refused > bytes.count / 97 / 2)
    }
}
