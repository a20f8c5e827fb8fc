import Postgres
import Spool
import TestSupport
import Testing

/// What lies on disk, byte by byte and by the eyes of other tools.
@Suite(.timeLimit(.minutes(1))) struct SegmentFileTests {
    @Test func theLZ4ToolTestsAndReadsASegment() async throws {
        let it = try TestSpool()
        let name = try Sample.segment(0..<5, in: it.spool)
        let open = try Sample.open(5..<7, in: it.spool).fileName
        for file in [name, open] {
            try await Program.shell("lz4 -t '\(it.path(file))'").checked("lz4 -t")
            let read = try await Program.shell("lz4 -dc <'\(it.path(file))'").checked("lz4 -dc")
            #expect(try read.stdout == contents(it.path(file)).bytes)
            #expect(
                try contents(it.folder.write("bare", read.stdout)).transactions == contents(it.path(file)).transactions)
        }
    }

    @Test func aChunkIsOneFrameWithItsSizeAndChecksum() throws {
        let it = try TestSpool()
        let writer = try it.spool.begin(Sample.header())
        let begin = Int(writer.fileSize)
        let chunk = Sample.chunk(0..<2, layout: true)
        try writer.write(chunk)
        let frame = Array(try it.read(writer.fileName)[begin...])
        #expect(UInt64(begin + frame.count) == writer.fileSize)
        #expect(Array(frame[..<4]) == [0x04, 0x22, 0x4D, 0x18])
        // LZ4 frame format, FLG: version 01, content size and content checksum present.
        #expect(frame[4] & 0b1100_1100 == 0b0100_1100)
        let size = frame[6..<14].reversed().reduce(0) { $0 << 8 | Int($1) }
        #expect(size == chunk.count)
        #expect(Array(frame.suffix(8).prefix(4)) == [0, 0, 0, 0])
    }

    @Test func aSealedSegmentEndsWithItsFooter() throws {
        let it = try TestSpool()
        let open = try Sample.open(0..<5, in: it.spool)
        let records = Int(open.fileSize)
        #expect(try open.seal() == "00000001-0000000000001000.seg.lz4")
        #expect(try it.names() == ["00000001-0000000000001000.seg.lz4"])

        let bytes = try it.read("00000001-0000000000001000.seg.lz4")
        let footer = Array(bytes[records...])
        #expect(Array(footer[..<4]) == [0x50, 0x2A, 0x4D, 0x18])
        #expect(little(footer[4..<8]) == footer.count - 8)
        #expect(little(footer.suffix(12).prefix(4)) == footer.count - 20)
        #expect(footer.suffix(8).elementsEqual("WALRELAY".utf8))
        let json = String(decoding: footer[8..<(footer.count - 12)], as: UTF8.self)
        let time = "2000-01-01 00:00:00.000000+00"
        let raw = try contents(it.path("00000001-0000000000001000.seg.lz4")).bytes.count
        let rest = Array(footer[39..<(footer.count - 12)])
        let checksum = String(rest.withUnsafeBytes { XXH64.hash($0) }, radix: 16)
        #expect(
            json
                == #"{"checksum":"\#(String(repeating: "0", count: 16 - checksum.count))\#(checksum)","changes":14,"end":"0/1500","ended":false,"first_commit":{"lsn":"0/1100","time":"\#(time)"},"#
                + #""last_commit":{"lsn":"0/1500","time":"\#(time)"},"parts":[{"earliest":"\#(time)","#
                + #""first":{"lsn":"0/1100","time":"\#(time)"},"last":{"lsn":"0/1500","time":"\#(time)"},"#
                + #""latest":"\#(time)","offset":0,"relations":true}],"#
                + #""raw_bytes":\#(raw),"#
                + #""relations":{"public.t":{"delete":0,"insert":14,"truncate":0,"update":0}},"start":"0/1000","#
                + #""transactions":5}"#)
    }

    @Test func aFooterWithAnotherDigitIsRefusedByWhoeverReadsIt() throws {
        let it = try TestSpool()
        let file = try Sample.segment(0..<5, in: it.spool)
        let name = try #require(SegmentName(fileName: file))
        let bytes = try it.read(file)
        let begin = try #require(bytes.indices.last { bytes[$0...].starts(with: [0x50, 0x2A, 0x4D, 0x18]) }) + 8
        let digits = bytes.indices.filter { $0 >= begin && $0 < bytes.count - 12 && (0x30...0x39).contains(bytes[$0]) }
        #expect(digits.count > 50)
        for digit in digits {
            var damaged = bytes
            damaged[digit] = bytes[digit] == 0x39 ? 0x38 : bytes[digit] + 1
            try it.write(file, damaged)
            #expect(throws: SpoolError.self, "byte \(digit)") { try it.spool.summary(of: name) }
        }
    }

    @Test func aFooterOfAnEarlierBuildHasNoChecksum() throws {
        let it = try TestSpool()
        let file = try Sample.segment(0..<5, in: it.spool)
        let name = try #require(SegmentName(fileName: file))
        let footer = try it.spool.summary(of: name).footer
        let bytes = try it.read(file)
        let begin = try #require(bytes.indices.last { bytes[$0...].starts(with: [0x50, 0x2A, 0x4D, 0x18]) })
        let json = Array("{".utf8) + bytes[(begin + 39)..<(bytes.count - 12)]
        func number(_ value: Int) -> [UInt8] { withUnsafeBytes(of: UInt32(value).littleEndian) { Array($0) } }
        let frame = bytes[begin..<(begin + 4)] + number(json.count + 12) + json + number(json.count) + bytes.suffix(8)
        try it.write(file, bytes[..<begin] + frame)
        #expect(try it.spool.summary(of: name).footer == footer)
        #expect(SegmentVerifier().verify(path: it.path(file)).state == .ok)
    }

    /// A name from a listing may be that of a segment which is sealed by now.
    @Test func aSegmentThatWasSealedMeanwhileIsFoundByItsOldName() throws {
        let it = try TestSpool()
        let writer = try Sample.open(0..<5, in: it.spool)
        let name = try #require(SegmentName(fileName: writer.fileName))
        #expect(try it.spool.summary(of: name).footer == nil)
        try writer.seal()
        #expect(try it.spool.summary(of: name).footer?.transactions == 5)
    }

    private func little(_ bytes: some BidirectionalCollection<UInt8>) -> Int {
        bytes.reversed().reduce(0) { $0 << 8 | Int($1) }
    }

    @Test func theFooterCountsCommittedChangesByTableAndOperation() throws {
        let it = try TestSpool()
        let writer = try it.spool.begin(Sample.header())
        let buffer = ChunkBuffer(capacity: 4096)
        for (id, name) in [(1 as UInt32, "a"), (2, "b")] {
            buffer.append(.change, lsn: .zero, payload: Build.relation(id, name))
        }
        func transaction(_ end: UInt64, commits: Bool, _ messages: [[UInt8]]) {
            for message in [Build.begin(end - 8)] + messages + (commits ? [Build.commit(end - 8, end: end)] : []) {
                buffer.append(.change, lsn: .zero, payload: message)
            }
        }
        let value = Array("v".utf8)
        transaction(0x1100, commits: true, [Build.insert(1, value), Build.update(2, value), Build.insert(1, value)])
        transaction(0x1200, commits: true, [Build.delete(2, value), Build.truncate([2, 1]), Build.update(1, value)])
        // One that the source will send again does not count; the one that it sends then does.
        transaction(0x1300, commits: false, [Build.insert(1, value), Build.insert(2, value)])
        transaction(0x1300, commits: true, [Build.insert(3, value)])
        try writer.write(buffer)
        let footer = try #require(try it.spool.summary(of: try sealed(writer)).footer)
        #expect(footer.transactions == 3)
        #expect(footer.changes == 8)
        #expect(footer.end == LSN(rawValue: 0x1300))
        #expect(footer.relations.keys.sorted() == ["OID 3", "public.a", "public.b"])
        #expect(footer.relations["public.a"].map { [$0.insert, $0.update, $0.delete, $0.truncate] } == [2, 1, 0, 1])
        #expect(footer.relations["public.b"].map { [$0.insert, $0.update, $0.delete, $0.truncate] } == [0, 1, 1, 1])
        #expect(footer.relations["OID 3"]?.total == 1)
    }

    private func sealed(_ writer: SegmentWriter) throws -> SegmentName {
        try #require(SegmentName(fileName: writer.seal()))
    }

    @Test func theFooterTellsWhereToSeek() throws {
        let it = try TestSpool()
        let writer = try it.spool.begin(Sample.header())
        var random = SystemRandomNumberGenerator()
        // Chunks of about 50 KiB that do not compress: three make a part. The fifth has a layout, the last no commit.
        for number in 0..<10 {
            let end = Sample.end(number).rawValue
            let buffer = ChunkBuffer(capacity: 64 << 10)
            if number == 0 || number == 5 { Sample.appendLayout(to: buffer) }
            buffer.append(.change, lsn: .zero, payload: Build.begin(end - 8))
            let value = (0..<50_000).map { _ in UInt8.random(in: 0...255, using: &random) }
            buffer.append(.change, lsn: .zero, payload: Build.insert(1, value))
            if number < 9 { buffer.append(.change, lsn: .zero, payload: Build.commit(end - 8, end: end)) }
            try writer.write(buffer)
        }
        let name = try sealed(writer)
        let footer = try #require(try it.spool.summary(of: name).footer)
        let bytes = try it.read(name.fileName)
        #expect(footer.parts.map(\.hasRelations) == [true, true, false, false])
        #expect(footer.parts.map { $0.first?.lsn } == [Sample.end(0), Sample.end(3), Sample.end(6), nil])
        #expect(footer.parts.map { $0.last?.lsn } == [Sample.end(2), Sample.end(5), Sample.end(8), nil])
        #expect(footer.parts.first?.offset == 0)
        for part in footer.parts { #expect(Array(bytes[Int(part.offset)...].prefix(4)) == [0x04, 0x22, 0x4D, 0x18]) }
        #expect(zip(footer.parts, footer.parts.dropFirst()).allSatisfy { $1.offset - $0.offset >= 128 << 10 })
        #expect(footer.firstCommit?.lsn == Sample.end(0))
        #expect(footer.lastCommit?.lsn == Sample.end(8))
    }

    @Test func endsAndWatermarksMoveTheEndAndTheLastRecordDecidesAboutIt() throws {
        let it = try TestSpool()
        let writer = try Sample.open(0..<1, in: it.spool)
        #expect(writer.end == Sample.end(0))
        let buffer = ChunkBuffer(capacity: 100)
        buffer.append(.watermark, lsn: LSN(rawValue: 0x1180), payload: [])
        buffer.append(.end, lsn: LSN(rawValue: 0x1190), payload: JSON.encode(EndMark(reason: "endpos")))
        try writer.write(buffer)
        #expect(writer.end == LSN(rawValue: 0x1190))
        let footer = try #require(try it.spool.summary(of: try sealed(writer)).footer)
        #expect(footer.hasEnd)
        #expect(footer.end == LSN(rawValue: 0x1190))
        #expect(footer.lastCommit?.lsn == Sample.end(0))
    }

    @Test func aWatermarkInsideATransactionIsAnError() throws {
        let it = try TestSpool()
        let writer = try it.spool.begin(Sample.header())
        let buffer = ChunkBuffer(capacity: 100)
        Sample.appendHead(0, to: buffer, layout: true)
        buffer.append(.watermark, lsn: LSN(rawValue: 0x1180), payload: [])
        let error = try #require(#expect(throws: SpoolError.self) { try writer.write(buffer) })
        #expect(error.code == .corrupt)
        #expect(writer.end == Sample.start)
    }

    @Test func aSegmentIsCreatedOnceOnly() throws {
        let it = try TestSpool()
        let writer = try Sample.open(0..<1, in: it.spool)
        let before = try it.read(writer.fileName)
        #expect(throws: SpoolError.self) { try Sample.open(0..<1, in: it.spool) }
        #expect(try it.read(writer.fileName) == before)
    }
}
