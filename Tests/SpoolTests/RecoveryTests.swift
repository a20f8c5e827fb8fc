import Glibc
import Postgres
import Spool
import TestSupport
import Testing

/// After a crash the open segment holds whole transactions only, and the log continues as if nothing had happened.
@Suite(.timeLimit(.minutes(4))) struct RecoveryTests {
    private let it: TestSpool
    private let name: String
    private let bytes: [UInt8]
    /// Where frames end, and how many transactions are whole up to there.
    private let marks: [(end: Int, transactions: Int)]

    /// The header, a chunk with transactions 0 and 1, one with 2 and the beginning of 3, one with the rest of 3 and 4.
    init() throws {
        it = try TestSpool()
        let writer = try it.spool.begin(Sample.header())
        var marks = [(Int(writer.fileSize), 0)]
        try writer.write(Sample.chunk(0..<2, layout: true))
        marks.append((Int(writer.fileSize), 2))
        let middle = Sample.chunk(2..<3)
        Sample.appendHead(3, to: middle)
        try writer.write(middle)
        marks.append((Int(writer.fileSize), 3))
        let last = ChunkBuffer(capacity: 4096)
        Sample.appendTail(3, to: last)
        Sample.append(4..<5, to: last, layout: false)
        try writer.write(last)
        marks.append((Int(writer.fileSize), 5))
        name = writer.fileName
        bytes = try it.read(name)
        self.marks = marks.map { (end: $0.0, transactions: $0.1) }
    }

    private var sealedName: String { String(name.dropLast(".partial".count)) }

    /// The transactions that a file of the first `count` bytes holds; nil when it does not even hold its header.
    private func whole(_ count: Int) -> Int? { marks.last { $0.end <= count }?.transactions }

    /// Recovers what is there, continues to transaction 7 as after a reconnect, seals and compares with the model.
    /// Returns what was recovered.
    @discardableResult
    private func recoverAndGoOn(_ what: String) throws -> RecoveredSegment {
        let recovered = try #require(try it.spool.recover(), "\(what)")
        let kept = try #require((-1..<5).first { Sample.end($0) == recovered.end }, "\(what): \(recovered.end)") + 1
        expect(SegmentVerifier().verify(path: it.path(name)).state == .open, what)
        expect(try !contents(it.path(name)).isInTransaction, what)
        let writer = try it.spool.resume(recovered)
        expect(writer.end == recovered.end, what)
        try writer.write(Sample.chunk(kept..<7, layout: true))
        try writer.seal()
        let report = SegmentVerifier().verify(path: it.path(sealedName))
        expect(report.state == .ok, "\(what): \(report.message ?? "")")
        expect(try contents(it.spool).transactions == Sample.transactions(0..<7), what)
        return recovered
    }

    /// `#expect` keeps what it compared, which takes long in a loop over thousands of files.
    private func expect(_ isTrue: Bool, _ what: String) {
        if !isTrue { Issue.record(Comment(rawValue: what)) }
    }

    private func clean() throws {
        for name in try it.names() { unlink(it.path(name)) }
    }

    @Test func aWholeOpenSegmentIsLeftAsItIs() throws {
        let recovered = try recoverAndGoOn("whole")
        #expect(recovered.end == Sample.end(4))
        #expect(recovered.cutBytes == 0)
        #expect(recovered.putAside == nil)
        #expect(!recovered.hasEnd)
        #expect(recovered.header == Sample.header())
        #expect(try it.names() == [sealedName])
        #expect(try it.read(sealedName).starts(with: bytes))
    }

    @Test func aSegmentCutAnywhereKeepsItsWholeTransactions() throws {
        for count in bytes.indices {
            try clean()
            try it.write(name, Array(bytes[..<count]))
            guard let whole = whole(count) else {
                expect(try it.spool.recover() == nil, "cut at \(count)")
                expect(try it.names() == [name + ".damaged"], "cut at \(count)")
                continue
            }
            let recovered = try recoverAndGoOn("cut at \(count)")
            expect(recovered.end == Sample.end(whole - 1), "cut at \(count)")
            expect(recovered.putAside == nil, "cut at \(count)")
        }
    }

    @Test func anUnfinishedTransactionIsCutOutOfItsChunk() throws {
        let end = marks[2].end
        try it.write(name, Array(bytes[..<end]))
        let recovered = try recoverAndGoOn("unfinished")
        #expect(recovered.end == Sample.end(2))
        #expect(recovered.putAside == nil)
        // What precedes that chunk is kept byte for byte.
        #expect(try it.read(sealedName).starts(with: bytes[..<marks[1].end]))
    }

    @Test func aChangedByteAnywhereLosesNothingThatPrecedesIt() throws {
        for offset in bytes.indices {
            try clean()
            var damaged = bytes
            damaged[offset] ^= offset % 2 == 0 ? 0x20 : 0xFF
            try it.write(name, damaged)
            guard let whole = whole(offset) else {
                // Without its header nothing of it can be used; it is kept for whoever wants to look.
                if try it.spool.recover() == nil {
                    expect(try it.read(name + ".damaged") == damaged, "byte \(offset)")
                    expect(try it.spool.segments().isEmpty, "byte \(offset)")
                }
                continue
            }
            let recovered = try recoverAndGoOn("byte \(offset)")
            expect(recovered.end >= Sample.end(whole - 1), "byte \(offset)")
            if let aside = recovered.putAside {
                expect(aside == it.path(name) + ".damaged", "byte \(offset)")
                expect(try it.read(name + ".damaged") == damaged, "byte \(offset)")
            }
        }
    }

    @Test(arguments: [
        [UInt8](repeating: 0, count: 4096), Array("garbage that is no frame".utf8),
        [0x04, 0x22, 0x4D, 0x18, 0xFF, 0xFF, 0, 0],
        [0x51, 0x2A, 0x4D, 0x18, 1, 0, 0, 0, 0], [0x50, 0x2A, 0x4D, 0x18, 1, 0, 0, 0, 0],
    ])
    func garbageAtTheTailIsCutAndKeptAside(tail: [UInt8]) throws {
        try it.write(name, bytes + tail)
        let recovered = try recoverAndGoOn("garbage")
        #expect(recovered.end == Sample.end(4))
        #expect(recovered.putAside == it.path(name) + ".damaged")
        #expect(try it.read(name + ".damaged") == bytes + tail)
    }

    @Test(arguments: [[0], [0x04, 0x22, 0x4D], [0x50, 0x2A, 0x4D, 0x18, 0xFF, 0, 0, 0, 0x7B]] as [[UInt8]])
    func aTornTailIsCutAndNotKept(tail: [UInt8]) throws {
        try it.write(name, bytes + tail)
        let recovered = try recoverAndGoOn("torn")
        #expect(recovered.end == Sample.end(4))
        #expect(recovered.putAside == nil)
        #expect(try it.names() == [sealedName])
    }

    @Test func aTailThatBreaksTheOrderIsCutAndKeptAside() throws {
        let writer = try #require(try it.spool.recover().map { try it.spool.resume($0) })
        let buffer = ChunkBuffer(capacity: 4096)
        Sample.appendHead(5, to: buffer)
        buffer.append(.watermark, lsn: LSN(rawValue: 0x9000), payload: [])
        #expect(throws: SpoolError.self) { try writer.write(buffer) }
        #expect(try recoverAndGoOn("order").end == Sample.end(4))
    }

    @Test func aSegmentWhoseFooterIsWrittenIsSealed() throws {
        let writer = try #require(try it.spool.recover().map { try it.spool.resume($0) })
        let sealed = try writer.seal()
        let whole = try it.read(sealed)
        #expect(rename(it.path(sealed), it.path(name)) == 0)
        #expect(try it.spool.recover() == nil)
        #expect(try it.names() == [sealed])
        #expect(try it.read(sealed) == whole)
        #expect(SegmentVerifier().verify(path: it.path(sealed)).state == .ok)
        #expect(try it.spool.end() == Sample.end(4))
    }

    @Test func aSegmentWhoseFooterIsTornGoesOn() throws {
        let writer = try #require(try it.spool.recover().map { try it.spool.resume($0) })
        let whole = try it.read(writer.seal())
        for count in bytes.count..<whole.count {
            try clean()
            try it.write(name, Array(whole[..<count]))
            let recovered = try recoverAndGoOn("cut at \(count)")
            expect(recovered.end == Sample.end(4), "cut at \(count)")
        }
    }

    @Test func aSegmentMayEndWithAWatermarkOrAnEnd() throws {
        let writer = try #require(try it.spool.recover().map { try it.spool.resume($0) })
        let buffer = ChunkBuffer(capacity: 4096)
        buffer.append(.watermark, lsn: LSN(rawValue: 0x1510), payload: [])
        try writer.write(buffer)
        #expect(try it.spool.recover()?.end == LSN(rawValue: 0x1510))
        buffer.removeAll()
        buffer.append(.end, lsn: LSN(rawValue: 0x1520), payload: JSON.encode(EndMark(reason: "endpos")))
        try writer.write(buffer)
        let recovered = try #require(try it.spool.recover())
        #expect(recovered.hasEnd)
        #expect(recovered.end == LSN(rawValue: 0x1520))
    }

    @Test func whatARepairLeftIsRemoved() throws {
        try it.write(name + ".repair", Array("half a copy".utf8))
        try it.write(name + ".new", [])
        #expect(try recoverAndGoOn("leftovers").end == Sample.end(4))
        #expect(try it.names() == [sealedName])
    }

    @Test func anEmptySpoolHasNothingToRecover() throws {
        try clean()
        #expect(try it.spool.recover() == nil)
        #expect(try it.names() == [])
    }

    @Test func twoOpenSegmentsAreAnErrorAndStay() throws {
        _ = try Sample.open(5..<6, in: it.spool)
        let names = try it.names()
        let error = try #require(#expect(throws: SpoolError.self) { try it.spool.recover() })
        #expect(error.code == .corrupt)
        #expect(try it.names() == names)
    }

    @Test func aSegmentOfANewerFormatStaysAsItIs() throws {
        try clean()
        var header = Sample.header()
        header.format = 2
        try it.spool.begin(header).sync()
        let before = try it.read(name)
        let error = try #require(#expect(throws: SpoolError.self) { try it.spool.recover() })
        #expect(error.code == .unsupported)
        #expect(try it.read(name) == before)
    }

    @Test func aSegmentUnderAnothersNameIsPutAside() throws {
        let other = "00000001-0000000000002000.seg.lz4.partial"
        rename(it.path(name), it.path(other))
        #expect(try it.spool.recover() == nil)
        #expect(try it.names() == [other + ".damaged"])
    }
}
