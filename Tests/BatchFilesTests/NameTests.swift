import BatchFiles
import Postgres
import Testing

/// The names of batch files, and which of a folder's files a target needs.
struct NameTests {
    static func lsn(_ position: Int) -> LSN { LSN(rawValue: UInt64(position)) }

    @Test func aNameSaysItsRange() {
        let name = BatchFileName(
            from: LSN(rawValue: 0x1A_0000_002B), to: LSN(rawValue: 0x1B_0000_0000), isCompressed: false)
        #expect(name.fileName == "0000001A0000002B-0000001B00000000.sql")
        #expect(BatchFileName(fileName: name.fileName) == name)
        let compressed = BatchFileName(from: name.from, to: name.to, isCompressed: true)
        #expect(compressed.fileName == name.fileName + ".lz4")
        #expect(BatchFileName(fileName: compressed.fileName) == compressed)
    }

    @Test(arguments: [
        "", "x.sql", "0000001A0000002B.sql.partial", "1A-1B.sql", "0000001A0000002B-0000001B00000000.sql.partial",
        "0000001a0000002b-0000001b00000000.sql", "0000001B00000000-0000001A0000002B.sql",
        "0000001A0000002B-0000001B00000000.seg.lz4", "0000001A0000002B-0000001B00000000-0.sql",
    ])
    func whatIsNoNameIsNone(_ name: String) {
        #expect(BatchFileName(fileName: name) == nil)
    }

    @Test func namesSortInCommitOrder() {
        func name(_ from: Int, _ to: Int) -> BatchFileName {
            BatchFileName(from: Self.lsn(from), to: Self.lsn(to), isCompressed: false)
        }
        let sorted = [name(1, 16), name(16, 16), name(16, 256), name(256, 4096)]
        #expect(sorted.reversed().sorted() == sorted)
        #expect(sorted.map(\.fileName).sorted() == sorted.map(\.fileName))
    }
}
