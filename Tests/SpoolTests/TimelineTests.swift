import Postgres
import Spool
import Testing

/// A log that continues from one timeline to the next.
@Suite struct TimelineTests {
    /// Transactions 0 and 1 on timeline 1, then 2 on timeline 2.
    private func spool(fork: LSN? = Sample.end(1)) throws -> TestSpool {
        let it = try TestSpool()
        try Sample.segment(0..<2, in: it.spool)
        try write(2..<3, 2, fork.map { [TimelineEnd(timeline: 1, end: $0)] }, in: it.spool)
        return it
    }

    private func write(
        _ numbers: Range<Int>, _ timeline: UInt32, _ history: [TimelineEnd]?, in spool: SpoolDirectory
    ) throws {
        let header = Sample.header(start: Sample.end(numbers.lowerBound - 1), timeline: timeline, history: history)
        let writer = try spool.begin(header)
        if !numbers.isEmpty { try writer.write(Sample.chunk(numbers, layout: true)) }
        try writer.seal()
    }

    private func verify(_ it: TestSpool) throws -> [SegmentReport] { try SegmentVerifier().verify(it.spool) }

    @Test func aTimelineThatContinuesTheLogIsSoundAndShown() throws {
        for fork in [Sample.end(1), Sample.end(2)] {
            let reports = try verify(spool(fork: fork))
            #expect(reports.map(\.state) == [.ok, .ok])
            #expect(reports.map(\.previousTimeline) == [nil, 1])
            #expect(reports[1].message == "timeline 1 continues as 2, which parted from it at \(fork)")
        }
    }

    @Test func aTimelineThatDoesNotContinueTheLogIsDamage() throws {
        let parted = try verify(spool(fork: Sample.end(0)))
        #expect(parted.map(\.state) == [.ok, .timelineSwitch])
        #expect(parted[1].message?.contains("0/1100") == true)
        #expect(try verify(spool(fork: nil)).map(\.state) == [.ok, .timelineSwitch])
        let it = try spool()
        try write(3..<4, 1, nil, in: it.spool)
        try write(4..<5, 2, [TimelineEnd(timeline: 1, end: Sample.end(9))], in: it.spool)
        try write(5..<6, 2, [TimelineEnd(timeline: 1, end: Sample.end(1))], in: it.spool)
        #expect(try verify(it).map(\.state) == [.ok, .ok, .timelineSwitch, .ok, .timelineSwitch])
    }

    @Test func everyReaderReadsOn() throws {
        let it = try spool()
        let all = try contents(it.spool)
        #expect(all.transactions == Sample.transactions(0..<3))
        #expect(all.headers.map(\.timeline) == [1, 2])
        #expect(try contents(it.spool, from: Sample.end(1)).transactions == Sample.transactions(2..<3))
        #expect(try contents(it.spool, from: Sample.end(0)).transactions.count == 3)
        #expect(try it.spool.end() == Sample.end(2))
        let rule = SpoolDirectory.Retention(position: Sample.end(1))
        #expect(try it.spool.prunable(rule).map(\.timeline) == [1])
    }

    /// A server is promoted, and promoted again, before anything commits: segments that begin and end where the next
    /// one begins.
    @Test func segmentsWithoutACommitStandInOrder() throws {
        let it = try TestSpool()
        try Sample.segment(0..<2, in: it.spool)
        let fork = { (timeline: UInt32) in TimelineEnd(timeline: timeline, end: Sample.end(1)) }
        try write(2..<2, 2, [fork(1)], in: it.spool)
        try write(2..<2, 3, [fork(1), fork(2)], in: it.spool)
        try write(2..<4, 4, [fork(1), fork(2), fork(3)], in: it.spool)
        #expect(try verify(it).map(\.state) == [.ok, .ok, .ok, .ok])
        let all = try contents(it.spool)
        #expect(all.transactions == Sample.transactions(0..<4))
        #expect(all.headers.map(\.timeline) == [1, 2, 3, 4])
        #expect(try contents(it.spool, from: Sample.end(1)).headers.map(\.timeline) == [4])
        #expect(try it.spool.end() == Sample.end(3))
        let reader = try RangeReader(path: it.spool.path)
        var chunks = 0
        while case .chunk = try reader.next() { chunks += 1 }
        #expect(chunks == 6, "four headers, and a chunk of each segment that has changes")
        let rule = SpoolDirectory.Retention(position: Sample.end(1))
        #expect(try it.spool.prunable(rule).map(\.timeline) == [1, 2, 3])
    }

    /// What a writer does that finds its source on the next timeline, with a reader that was already there.
    @Test func anOpenSegmentIsSealedWhateverIsInIt() throws {
        for count in 0...2 {
            let it = try TestSpool()
            try Sample.segment(0..<2, in: it.spool)
            let open = try Sample.open(2..<(2 + count), in: it.spool)
            // Its last transaction has no commit.
            let torn = ChunkBuffer(capacity: 4096)
            Sample.appendHead(2 + count, to: torn, layout: count == 0)
            try open.write(torn)
            let reader = try SpoolReader(it.spool, from: nil, follows: true)
            let follower = Consumer()
            #expect(try follower.drain(reader) == .idle)

            let recovered = try #require(try it.spool.recover())
            try it.spool.seal(recovered)
            #expect(try it.spool.recover() == nil)
            #expect(try it.spool.end() == recovered.end)
            #expect(recovered.end == Sample.end(1 + count))
            try write((2 + count)..<5, 2, [TimelineEnd(timeline: 1, end: recovered.end)], in: it.spool)
            #expect(try verify(it).map(\.state) == [.ok, .ok, .ok])
            #expect(try follower.drain(reader) == .idle)
            #expect(follower.transactions == Sample.transactions(0..<5), "\(count)")
        }
    }
}
