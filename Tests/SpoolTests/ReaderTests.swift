import Glibc
import Postgres
import Spool
import TestSupport
import Testing
import Threading

/// What was written comes back, however it is read.
@Suite(.timeLimit(.minutes(1))) struct ReaderTests {
    @Test func aSpoolGivesItsTransactionsInOrder() throws {
        let it = try TestSpool()
        let first = try Sample.segment(0..<5, in: it.spool)
        let second = try Sample.segment(5..<6, in: it.spool, previous: first)
        _ = try Sample.open(6..<9, in: it.spool, previous: second)
        let found = try contents(it.spool)
        #expect(found.transactions == Sample.transactions(0..<9))
        #expect(found.headers.map(\.previous) == [nil, first, second])
        #expect(try it.spool.end() == Sample.end(8))
    }

    @Test func eachSegmentIsReadableAloneAndInARow() async throws {
        let it = try TestSpool()
        let names = try [0..<3, 3..<7, 7..<8].map { try Sample.segment($0, in: it.spool) }
        #expect(try contents(it.path(names[1])).transactions == Sample.transactions(3..<7))
        let all = try names.flatMap { try it.read($0) }
        #expect(try contents(it.folder.write("all", all)).transactions == Sample.transactions(0..<8))
        let paths = names.map { "'\(it.path($0))'" }.joined(separator: " ")
        let bare = try await Program.shell("cat \(paths) | lz4 -dc").checked("lz4 -dc").stdout
        #expect(try contents(it.folder.write("bare", bare)).transactions == Sample.transactions(0..<8))
    }

    @Test func readingBeginsWithTheSegmentThatHoldsThePosition() throws {
        let it = try TestSpool()
        for range in [0..<2, 2..<4, 4..<6] { try Sample.segment(range, in: it.spool) }
        for (from, first) in [
            (Sample.start, 0), (LSN(rawValue: 0x11FF), 0), (Sample.end(1), 2), (Sample.end(2), 2), (Sample.end(3), 4),
            (Sample.end(99), 4),
        ] {
            #expect(try contents(it.spool, from: from).transactions == Sample.transactions(first..<6))
        }
        let error = try #require(
            #expect(throws: SpoolError.self) { try contents(it.spool, from: LSN(rawValue: 0xFFF)) })
        #expect(error.code == .gap)
        #expect(error.message.contains("0/1000") && error.message.contains("0/FFF"))
    }

    @Test(arguments: [2 << 20, (5 << 20) + 17]) func aRecordLargerThanAnyChunkComesBack(count: Int) throws {
        let it = try TestSpool()
        var state: UInt64 = 88_172_645_463_325_252
        let letters = Array("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-".utf8)
        let value = (0..<count).map { _ in
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return letters[Int(state >> 58)]
        }
        let writer = try it.spool.begin(Sample.header())
        let buffer = ChunkBuffer(capacity: 4096)
        buffer.append(.change, lsn: .zero, payload: Build.begin(0x10F8))
        Sample.appendLayout(to: buffer)
        buffer.append(.change, lsn: .zero, payload: Build.insert(1, value))
        buffer.append(.change, lsn: .zero, payload: Build.commit(0x10F8, end: 0x1100))
        try writer.write(buffer)
        try writer.write(Sample.chunk(1..<3))
        let expected =
            [Sample.Transaction(end: Sample.end(0), values: [String(decoding: value, as: UTF8.self)])]
            + Sample.transactions(1..<3)
        #expect(try contents(it.spool).transactions == expected)
        let name = try writer.seal()
        let found = try contents(it.path(name))
        #expect(found.transactions == expected)
        #expect(try contents(it.folder.write("bare", found.bytes)).transactions == expected)
        #expect(SegmentVerifier().verify(path: it.path(name)).state == .ok)
    }

    @Test(arguments: [1, 7, 100, 4096]) func aPipeGivesWhatHasArrived(step: Int) async throws {
        let it = try TestSpool()
        let name = try Sample.segment(0..<9, in: it.spool)
        let expected = try contents(it.path(name)).bytes
        for bytes in [try it.read(name), expected] {
            var ends: [Int32] = [-1, -1]
            try #require(pipe(&ends) == 0)
            let (readEnd, writeEnd) = (ends[0], ends[1])
            let writer = try #require(
                Worker.start(name: "pipe") {
                    for start in stride(from: 0, to: bytes.count, by: step) {
                        let part = Array(bytes[start..<min(start + step, bytes.count)])
                        #expect(write(writeEnd, part, part.count) == part.count)
                    }
                    close(writeEnd)
                })
            let found = try await Worker.run(name: "reader") {
                let consumer = Consumer()
                let reader = StreamReader(descriptor: readEnd, name: "-")
                let stop = StopRequest()
                while try consumer.drain(reader) == .idle { reader.wait(stop, until: .after(milliseconds: 5_000)) }
                writer.join()
                close(readEnd)
                return consumer.bytes
            }
            #expect(found == expected)
        }
    }

    @Test func aPipeThatEndsInAFrameOrRecordIsTorn() throws {
        let it = try TestSpool()
        let name = try Sample.segment(0..<3, in: it.spool)
        let bare = try contents(it.path(name)).bytes
        let lengths = try recordEnds(bare)
        for count in 1..<bare.count where !lengths.contains(count) {
            let path = try it.folder.write("torn", Array(bare[..<count]))
            let error = try #require(#expect(throws: SpoolError.self, "\(count)") { try contents(path) })
            #expect(error.code == .torn)
        }
        #expect(try contents(it.folder.write("nothing", [])).bytes == [])
    }

    private func recordEnds(_ bytes: [UInt8]) throws -> Set<Int> {
        try bytes.withUnsafeBytes { all in
            var cursor = RecordCursor(Chunk(bytes: all, file: "-", offset: 0))
            var ends: Set<Int> = []
            while let record = try cursor.next() { ends.insert(record.offset + 14 + record.payload.count) }
            return ends
        }
    }

    @Test(arguments: ["hello, this is no segment", "\u{1F}\u{8B}\u{8}\u{0}abcdefgh", "PGDMP\u{1}\u{E}\u{0}", "{}  \n"])
    func whatIsNoSegmentIsRefused(text: String) throws {
        let it = try TestSpool()
        let path = try it.folder.write("other", text)
        let error = try #require(#expect(throws: SpoolError.self) { try contents(path) })
        #expect(error.code == .corrupt)
        #expect(error.message.contains("this is not a walrelay segment"))
        #expect(error.file == path)
    }

    @Test func aFrameThatClaimsAHugeContentReservesNothing() throws {
        let it = try TestSpool()
        let name = try Sample.segment(0..<2, in: it.spool)
        let bytes = try it.read(name)
        // A record of almost 1 GiB, of which 100 bytes follow, bare after a header.
        let header = Array(try contents(it.path(name)).bytes.prefix(400))
        let first = 4 + Int(header[0]) + Int(header[1]) << 8
        let bare = Array(header[..<first]) + [0xFF, 0xFF, 0xFF, 0x3F, 2] + [UInt8](repeating: 0, count: 100)
        #expect(throws: SpoolError.self) { try contents(it.folder.write("bare", bare)) }
        // A footer of 63 MiB, of which nothing follows.
        let footer: [UInt8] = [0x50, 0x2A, 0x4D, 0x18, 0, 0, 0xF0, 0x03]
        let torn = try it.folder.write("footer", bytes + footer)
        #expect(try #require(#expect(throws: SpoolError.self) { try contents(torn) }).code == .torn)
    }
}
