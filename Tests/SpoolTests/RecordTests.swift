import Postgres
import Spool
import Testing

@Suite struct RecordTests {
    private static let lsn = LSN(rawValue: 0x0102_0304_0506_0708)

    private func records(_ bytes: [UInt8]) throws -> [String] {
        try bytes.withUnsafeBytes { all in
            var cursor = RecordCursor(Chunk(bytes: all, file: "f", offset: 512))
            var found: [String] = []
            while let record = try cursor.next() {
                found.append("\(record.kind) \(record.lsn) \(Array(record.payload)) \(record.offset)")
            }
            return found
        }
    }

    @Test func aRecordIsWrittenAsDocumented() throws {
        let buffer = ChunkBuffer(capacity: 1)
        buffer.append(.change, lsn: RecordTests.lsn, payload: [0xAA, 0xBB])
        buffer.append(.watermark, lsn: LSN(rawValue: 1), payload: [])
        let first: [UInt8] = [12, 0, 0, 0, 2, 0, 8, 7, 6, 5, 4, 3, 2, 1, 0xAA, 0xBB]
        let second: [UInt8] = [10, 0, 0, 0, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0]
        #expect(Array(buffer.bytes) == first + second)
        #expect(
            try records(first + second) == ["change 1020304/5060708 [170, 187] 0", "watermark 0/1 [] 16"])
        let kinds: [RecordKind] = [.header, .change, .relation, .watermark, .end]
        #expect(kinds.map(\.rawValue) == [1, 2, 3, 4, 5])
    }

    @Test(arguments: [
        ([UInt8](repeating: 0, count: 64), "zeroed space"),
        ([10, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], "kind 0"),
        ([10, 0, 0, 0, 6, 0, 1, 0, 0, 0, 0, 0, 0, 0], "an unknown kind"),
        ([9, 0, 0, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0], "a length that is too short"),
        ([11, 0, 0, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0], "a record longer than its chunk"),
        ([0xFF, 0xFF, 0xFF, 0xFF, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0], "4 GiB"),
        ([0xFF, 0xFF, 0xFF, 0x7F, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0], "2 GiB"),
        ([10, 0, 0, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0], "half a record"),
        ([10], "one byte"),
    ])
    func whatIsNoRecordIsCorrupt(bytes: [UInt8], what: String) throws {
        let whole: [UInt8] = [10, 0, 0, 0, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0]
        for before in [[], whole] {
            let error = try #require(#expect(throws: SpoolError.self, "\(what)") { try records(before + bytes) })
            #expect(error.code == .corrupt)
            #expect(error.file == "f")
            #expect(error.offset == 512)
            #expect(error.message.contains("\(before.count) bytes into the chunk"))
        }
    }

    @Test func aBufferGrowsAsItMustAndForgetsWhatItIsTold() throws {
        let buffer = ChunkBuffer(capacity: 4096)
        buffer.append(.change, lsn: .zero, payload: [1])
        let count = buffer.count
        let huge = (0..<100_000).map { UInt8(truncatingIfNeeded: $0) }
        buffer.append(.change, lsn: .zero, payload: huge)
        #expect(buffer.count == count + 14 + huge.count)
        #expect(Array(buffer.bytes[(count + 14)...]) == huge)
        #expect(buffer.bytes[count - 1] == 1)
        buffer.truncate(to: count)
        #expect(try records(Array(buffer.bytes)) == ["change 0/0 [1] 0"])
        buffer.truncate(to: 1_000_000)
        #expect(buffer.count == count)
        buffer.removeAll()
        #expect(buffer.bytes.isEmpty)
        buffer.append(.change, lsn: .zero, payload: huge)
        #expect(buffer.bytes.suffix(huge.count).elementsEqual(huge))
    }
}
