import Glibc
import Postgres
import Spool
import TestSupport
import Testing
import Threading

/// A reader beside the writer sees what is written as it is written, through rotation, sealing and repair.
@Suite(.timeLimit(.minutes(2))) struct FollowTests {
    @Test func chunksAreSeenAsTheyAreAppended() throws {
        let it = try TestSpool()
        let reader = try SpoolReader(it.spool, from: nil, follows: true)
        let consumer = Consumer()
        #expect(try consumer.drain(reader) == .idle)
        let writer = try it.spool.begin(Sample.header())
        #expect(try consumer.drain(reader) == .idle)
        #expect(consumer.headers.count == 1)
        for number in 0..<5 {
            try writer.write(Sample.chunk(number..<number + 1, layout: number == 0))
            #expect(try consumer.drain(reader) == .idle)
            #expect(consumer.transactions == Sample.transactions(0..<number + 1))
        }
    }

    @Test func aFrameIsSeenOnceItIsWhole() throws {
        let it = try TestSpool()
        let name = try Sample.open(0..<2, in: it.spool).fileName
        let before = try it.read(name)
        unlink(it.path(name))
        let writer = try Sample.open(0..<4, in: it.spool)
        let after = try it.read(writer.fileName)
        try it.write(name, before)
        let reader = try SpoolReader(it.spool, from: nil, follows: true)
        let consumer = Consumer()
        for count in before.count..<after.count {
            try it.write(name, Array(after[..<count]))
            #expect(try consumer.drain(reader) == .idle)
            #expect(consumer.transactions.count == 2)
        }
        try it.write(name, after)
        #expect(try consumer.drain(reader) == .idle)
        #expect(consumer.transactions == Sample.transactions(0..<4))
    }

    @Test func sealingAndTheNextSegmentAreFollowed() throws {
        let it = try TestSpool()
        let reader = try SpoolReader(it.spool, from: nil, follows: true)
        let consumer = Consumer()
        var done = 0
        for range in [0..<3, 3..<4, 4..<8] {
            let writer = try Sample.open(range.lowerBound..<range.lowerBound + 1, in: it.spool)
            // Read before the rest is written and sealed, so that the reader holds the file by its first name.
            #expect(try consumer.drain(reader) == .idle)
            done = range.lowerBound + 1
            #expect(consumer.transactions == Sample.transactions(0..<done))
            if range.count > 1 { try writer.write(Sample.chunk(done..<range.upperBound)) }
            try writer.seal()
            #expect(try consumer.drain(reader) == .idle)
            #expect(consumer.transactions == Sample.transactions(0..<range.upperBound))
        }
        #expect(consumer.headers.count == 3)
    }

    @Test func aRepairWhileReadingIsSurvived() throws {
        let it = try TestSpool()
        let writer = try Sample.open(0..<2, in: it.spool)
        let middle = Sample.chunk(2..<3)
        Sample.appendHead(3, to: middle)
        try writer.write(middle)
        let name = writer.fileName
        for tail in [[], [0x04, 0x22], Array("garbage".utf8)] as [[UInt8]] {
            try it.write(name, try it.read(name) + tail)
            let reader = try SpoolReader(it.spool, from: nil, follows: true)
            let consumer = Consumer()
            #expect(try consumer.drain(reader) == .idle)
            #expect(consumer.transactions == Sample.transactions(0..<3))

            let resumed = try it.spool.resume(try #require(try it.spool.recover()))
            #expect(try consumer.drain(reader) == .idle)
            let chunk = ChunkBuffer(capacity: 4096)
            Sample.append(3..<5, to: chunk)
            Sample.appendHead(5, to: chunk)
            try resumed.write(chunk)
            #expect(try consumer.drain(reader) == .idle)
            #expect(consumer.transactions == Sample.transactions(0..<5))
            // The next round begins with an unfinished transaction again.
            unlink(it.path(name))
            let again = try Sample.open(0..<2, in: it.spool)
            try again.write(middle)
        }
    }

    @Test func aRepairedAndSealedSegmentIsReadToItsEnd() throws {
        let it = try TestSpool()
        let writer = try Sample.open(0..<2, in: it.spool)
        let unfinished = ChunkBuffer(capacity: 4096)
        Sample.appendHead(2, to: unfinished)
        try writer.write(unfinished)
        let reader = try SpoolReader(it.spool, from: nil, follows: true)
        let consumer = Consumer()
        try consumer.drain(reader)
        let resumed = try it.spool.resume(try #require(try it.spool.recover()))
        try resumed.write(Sample.chunk(2..<4, layout: true))
        try resumed.seal()
        try Sample.segment(4..<5, in: it.spool)
        #expect(try consumer.drain(reader) == .idle)
        #expect(consumer.transactions == Sample.transactions(0..<5))
    }

    @Test func aMissingSegmentIsAGap() throws {
        let it = try TestSpool()
        try Sample.segment(0..<2, in: it.spool)
        let reader = try SpoolReader(it.spool, from: nil, follows: true)
        let consumer = Consumer()
        #expect(try consumer.drain(reader) == .idle)
        try Sample.segment(3..<4, in: it.spool)
        let error = try #require(#expect(throws: SpoolError.self) { try consumer.drain(reader) })
        #expect(error.code == .gap)
        #expect(consumer.transactions == Sample.transactions(0..<2))
    }

    @Test func aSegmentThatVanishesBeforeItsEndIsAGap() throws {
        let it = try TestSpool()
        let name = try Sample.open(0..<2, in: it.spool).fileName
        let reader = try SpoolReader(it.spool, from: nil, follows: true)
        let consumer = Consumer()
        try consumer.drain(reader)
        unlink(it.path(name))
        let error = try #require(#expect(throws: SpoolError.self) { try consumer.drain(reader) })
        #expect(error.code == .gap)
    }

    @Test func aSegmentThatWasPutAsideBeforeItsHeaderIsNoGap() throws {
        let it = try TestSpool()
        let name = try Sample.open(0..<1, in: it.spool).fileName
        let header = try it.read(name).prefix(20)
        try it.write(name, Array(header))
        let reader = try SpoolReader(it.spool, from: nil, follows: true)
        let consumer = Consumer()
        #expect(try consumer.drain(reader) == .idle)
        #expect(try it.spool.recover() == nil)
        #expect(try consumer.drain(reader) == .idle)
        _ = try Sample.open(0..<2, in: it.spool)
        #expect(try consumer.drain(reader) == .idle)
        #expect(consumer.transactions == Sample.transactions(0..<2))
    }

    @Test func aSegmentThatVanishesAfterItsEndIsNoLoss() throws {
        let it = try TestSpool()
        let name = try Sample.segment(0..<2, in: it.spool)
        let reader = try SpoolReader(it.spool, from: nil, follows: true)
        let consumer = Consumer()
        try consumer.drain(reader)
        unlink(it.path(name))
        #expect(try consumer.drain(reader) == .idle)
        try Sample.segment(2..<3, in: it.spool)
        try consumer.drain(reader)
        #expect(consumer.transactions == Sample.transactions(0..<3))
    }

    @Test func aSpoolMayAppearLater() throws {
        let folder = try TemporaryFolder()
        let spool = SpoolDirectory(folder.path("later"))
        let reader = try SpoolReader(spool, from: LSN(rawValue: 0x1180), follows: true)
        let consumer = Consumer()
        #expect(try consumer.drain(reader) == .idle)
        let lock = try spool.open(for: Sample.identity)
        #expect(try consumer.drain(reader) == .idle)
        // The position lies inside it.
        _ = try Sample.open(0..<2, in: spool)
        #expect(try consumer.drain(reader) == .idle)
        #expect(consumer.transactions == Sample.transactions(0..<2))
        withExtendedLifetime(lock) {}
    }

    @Test func aSpoolThatAppearsLaterWithoutThePositionIsAGap() throws {
        let it = try TestSpool()
        let reader = try SpoolReader(it.spool, from: Sample.start, follows: true)
        _ = try Sample.open(2..<3, in: it.spool)
        let error = try #require(#expect(throws: SpoolError.self) { try reader.next() })
        #expect(error.code == .gap)
    }

    @Test func withoutFollowingASpoolMustExist() throws {
        let folder = try TemporaryFolder()
        let error = try #require(
            #expect(throws: SpoolError.self) {
                try SpoolReader(SpoolDirectory(folder.path("none")), from: nil, follows: false)
            })
        #expect(error.code == .missing)
    }

    @Test func anEmptySegmentIsReadOnce() throws {
        let it = try TestSpool()
        try it.spool.begin(Sample.header()).seal()
        #expect(try contents(it.spool).headers.count == 1)
        let reader = try SpoolReader(it.spool, from: nil, follows: true)
        let consumer = Consumer()
        for _ in 0..<3 { #expect(try consumer.drain(reader) == .idle) }
        #expect(consumer.headers.count == 1)
    }

    @Test func anEndRecordEndsTheFollowing() throws {
        let it = try TestSpool()
        let writer = try Sample.open(0..<1, in: it.spool)
        let reader = try SpoolReader(it.spool, from: nil, follows: true)
        let consumer = Consumer()
        #expect(try consumer.drain(reader) == .idle)
        let end = ChunkBuffer(capacity: 100)
        end.append(.end, lsn: Sample.end(0), payload: JSON.encode(EndMark(reason: "endpos")))
        try writer.write(end)
        #expect(try consumer.drain(reader) == .finished)
        #expect(consumer.hasEnd)

        // A capture that was asked to continue makes it one record among others.
        let later = try SpoolReader(it.spool, from: nil, follows: true)
        try writer.seal()
        try Sample.segment(1..<2, in: it.spool)
        let all = Consumer()
        #expect(try all.drain(later) == .idle)
        #expect(all.transactions == Sample.transactions(0..<2))
    }

    @Test func aTornTailEndsAReaderThatDoesNotFollow() throws {
        let it = try TestSpool()
        let name = try Sample.open(0..<4, in: it.spool).fileName
        let bytes = try it.read(name)
        try it.write(name, Array(bytes.dropLast()))
        #expect(try contents(it.spool).transactions == Sample.transactions(0..<2))
    }

    @Test func waitingEndsWhenSomethingIsWritten() async throws {
        let it = try TestSpool()
        let stop = StopRequest()
        let spool = it.spool
        let found = try await Worker.run(name: "reader") {
            let writer = try Sample.open(0..<1, in: spool)
            let reader = try SpoolReader(spool, from: nil, follows: true)
            let consumer = Consumer()
            try consumer.drain(reader)
            // What was written before is no reason to wait for more.
            try writer.write(Sample.chunk(1..<2))
            let deadline = Deadline.after(milliseconds: 20_000)
            reader.wait(stop, until: deadline)
            #expect(!deadline.hasPassed)
            try consumer.drain(reader)
            stop.request()
            reader.wait(stop, until: deadline)
            #expect(!deadline.hasPassed)
            return consumer.transactions
        }
        #expect(found == Sample.transactions(0..<2))
    }
}
