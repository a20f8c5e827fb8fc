import Glibc
import Postgres
import Spool
import TestSupport
import Testing

/// What is kept beside an open segment spares reading it, and changes nothing else.
@Suite(.timeLimit(.minutes(4))) struct OpenIndexTests {
    private let it: TestSpool
    private let spool: SpoolDirectory
    private var index: String { spool.statePath + "/open.index" }

    init() throws {
        it = try TestSpool()
        var spool = it.spool
        spool.indexStep = 1
        self.spool = spool
        try FileSystem.makeDirectory(spool.statePath)
    }

    /// Writes transactions 0 to `count`, one a chunk, with an index behind each that `indexed` takes. Every second chunk
    /// begins in the middle of a transaction.
    private func write(_ count: Int, indexed: (Int) -> Bool = { _ in true }) throws -> SegmentWriter {
        let writer = try spool.begin(Sample.header())
        for number in 0..<count {
            let head = ChunkBuffer(capacity: 4096)
            Sample.appendHead(number, to: head, layout: number % 5 == 0)
            // A reader seeks by parts of 128 KiB.
            head.append(.change, lsn: Sample.end(number), payload: Build.update(1, OpenIndexTests.noise))
            let tail = number % 2 == 0 ? head : ChunkBuffer(capacity: 4096)
            if tail !== head { try writer.write(head) }
            Sample.appendTail(number, to: tail)
            try writer.write(tail)
            guard indexed(number) else { continue }
            try writer.sync()
            writer.saveIndexIfDue()
        }
        try writer.sync()
        return writer
    }

    /// 70 KB that can hardly be compressed.
    private static let noise: [UInt8] = {
        var random = SeededRandom(seed: 1)
        return (0..<70_000).map { _ in UInt8(32 + random.next() % 95) }
    }()

    private func sameLog(_ count: Int, without: Int = 0, _ what: Comment) throws {
        for from in -1..<count {
            let read = try contents(spool, from: Sample.end(from)).transactions
            // What ends at or before the position may come all the same: it is the consumer's to drop.
            #expect(read.suffix(count - from - 1) == Sample.transactions((from + 1)..<count)[...], what)
            #expect(read.allSatisfy { Sample.transactions(0..<count).contains($0) }, what)
        }
        #expect(try contents(spool).transactions == Sample.transactions(0..<count), what)
    }

    @Test("from every position, with an index at every place, a reader finds the same")
    func everyPosition() throws {
        for indexed in 0..<12 {
            let writer = try write(12) { $0 == indexed }
            try sameLog(12, "indexed after \(indexed)")
            #expect(try spool.end() == Sample.end(11))
            FileSystem.unlink(spool.segmentsPath + "/" + writer.fileName)
        }
    }

    @Test("a segment that was resumed by its index gets the footer that it would have had")
    func sameFooter() throws {
        for indexed in 0..<9 {
            for extra in [0, 1, 7] {
                let name = try write(9) { $0 == indexed }.fileName
                let path = spool.segmentsPath + "/" + name
                // A tail that a kill left: it is cut.
                let descriptor = open(path, O_WRONLY | O_APPEND)
                #expect(Glibc.write(descriptor, "\u{4}\u{22}M\u{18}abc", extra) == extra)
                close(descriptor)
                let recovered = try #require(try spool.recover())
                #expect(recovered.end == Sample.end(8) && recovered.cutBytes == UInt64(extra))
                let writer = try spool.resume(recovered)
                try writer.write(Sample.chunk(9..<14))
                try writer.seal()
                // The auditor reads all of it, and compares.
                let report = SegmentVerifier().verify(path: String(path.dropLast(".partial".count)))
                #expect(report.state == .ok && report.transactions == 14, "\(report.message ?? "")")
                #expect(try contents(spool).transactions == Sample.transactions(0..<14))
                #expect(!FileSystem.exists(index), "the index of a segment that is not open any more")
                FileSystem.unlink(String(path.dropLast(".partial".count)))
            }
        }
    }

    @Test("a table that gets another name behind the index is counted as its last name says")
    func renamed() throws {
        _ = try write(4)
        let buffer = ChunkBuffer(capacity: 4096)
        let final = Sample.end(4).rawValue - 8
        buffer.append(.change, lsn: LSN(rawValue: final), payload: Build.begin(final))
        buffer.append(.change, lsn: Sample.start, payload: Build.relation(1, "renamed"))
        Sample.appendTail(4, to: buffer)
        let resumed = try spool.resume(try #require(try spool.recover()))
        try resumed.write(buffer)
        let name = try resumed.seal()
        #expect(SegmentVerifier().verify(path: spool.segmentsPath + "/" + name).state == .ok)
        let sealed = try #require(SegmentName(fileName: name))
        let footer = try spool.summary(of: sealed).footer
        #expect(footer.map { Array($0.relations.keys) } == ["public.renamed"])
    }

    @Test("what lies before the index is not read by who does not want it, and is damage to who does")
    func damagedBefore() throws {
        let name = try write(40).fileName
        var bytes = try it.read(name)
        let path = spool.segmentsPath + "/" + name
        bytes[bytes.count / 3] ^= 0x10
        try it.write(name, bytes)
        #expect(try contents(spool, from: Sample.end(37)).transactions.suffix(2) == Sample.transactions(38..<40)[...])
        #expect(try spool.end() == Sample.end(39))
        #expect(try spool.recover()?.end == Sample.end(39), "what comes behind the damage stays")
        for from in [Sample.end(3), nil] {
            let error = #expect(throws: SpoolError.self) { try contents(spool, from: from) }
            #expect(error?.code == .corrupt, "it is not taken for a torn tail, which one waits for")
        }
        #expect(SegmentVerifier().verify(path: path).state == .corrupt)
    }

    @Test("an index that is damaged, or of another file of the same name, is not used")
    func otherIndex() throws {
        let name = try write(10).fileName
        let good = try it.read("../state/open.index")
        for position in stride(from: 0, to: good.count, by: 7) {
            var damaged = good
            damaged[position] ^= 0x01
            try FileSystem.replace(index, with: damaged, in: spool.statePath)
            try sameLog(10, "damaged at \(position)")
        }
        // The same positions, other rows: the file is another.
        try FileSystem.replace(index, with: good, in: spool.statePath)
        FileSystem.unlink(spool.segmentsPath + "/" + name)
        let writer = try spool.begin(Sample.header())
        for number in 0..<10 { try writer.write(Sample.chunk(number..<(number + 1), layout: number == 0)) }
        try writer.sync()
        try sameLog(10, "another file")
        // A shorter file.
        let bytes = try it.read(name)
        try it.write(name, Array(bytes[..<(bytes.count / 2)]))
        #expect(try spool.end().map { $0 < Sample.end(9) } == true)
    }

    @Test("who begins at the end of the log sees that it is the end")
    func endRecord() throws {
        let writer = try write(9)
        let buffer = ChunkBuffer(capacity: 4096)
        buffer.append(.end, lsn: Sample.end(8), payload: JSON.encode(EndMark(reason: "endpos")))
        try writer.write(buffer)
        try writer.sync()
        writer.saveIndexIfDue()
        for from in 3..<9 { #expect(try contents(spool, from: Sample.end(from)).hasEnd) }
    }

    @Test("a reader that follows goes on where it was when the file was replaced")
    func replaced() throws {
        let writer = try write(20)
        let reader = try SpoolReader(spool, from: Sample.end(15), follows: true)
        let consumer = Consumer()
        #expect(try consumer.drain(reader) == .idle)
        let head = ChunkBuffer(capacity: 4096)
        Sample.appendHead(20, to: head)
        try writer.write(head)
        #expect(try consumer.drain(reader) == .idle)
        // The transaction has no end: the file is cut, and another is in its place.
        let resumed = try spool.resume(try #require(try spool.recover()))
        try resumed.write(Sample.chunk(20..<22, layout: true))
        try resumed.seal()
        #expect(try consumer.drain(reader) == .idle)
        #expect(consumer.transactions.suffix(6) == Sample.transactions(16..<22)[...])
        #expect(consumer.transactions.count < 12, "all of the file was read again")
    }
}
