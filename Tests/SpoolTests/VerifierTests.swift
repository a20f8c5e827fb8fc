import Glibc
import Postgres
import Spool
import Testing

/// Segments of a spool belong together: same source, no gap.
@Suite struct VerifierTests {
    private func states(_ it: TestSpool) throws -> [SegmentReport.State] {
        try SegmentVerifier().verify(it.spool).map(\.state)
    }

    @Test func aWholeSpoolIsSound() throws {
        let it = try TestSpool()
        try Sample.segment(0..<3, in: it.spool)
        try Sample.segment(3..<4, in: it.spool)
        _ = try Sample.open(4..<6, in: it.spool)
        #expect(try states(it) == [.ok, .ok, .open])
    }

    @Test func aMissingSegmentIsAGap() throws {
        let it = try TestSpool()
        let names = try [0..<2, 2..<4, 4..<6].map { try Sample.segment($0, in: it.spool) }
        unlink(it.path(names[1]))
        let reports = try SegmentVerifier().verify(it.spool)
        #expect(reports.map(\.state) == [.ok, .gap])
        #expect(reports.last?.message == "the segment before it ends at 0/1200, this one begins at 0/1400")
        let error = try #require(#expect(throws: SpoolError.self) { try contents(it.spool) })
        #expect(error.code == .gap)
        #expect(error.message.contains("0/1200") && error.message.contains("0/1400"))
    }

    @Test func aTornOpenSegmentIsTornAndNotCorrupt() throws {
        let it = try TestSpool()
        let name = try Sample.open(0..<2, in: it.spool).fileName
        let bytes = try it.read(name)
        try it.write(name, Array(bytes.dropLast()))
        #expect(try states(it) == [.torn])
        try it.write(name, bytes + [0x04, 0x22])
        #expect(try states(it) == [.torn])
        try it.write(name, Array(bytes.prefix(20)))
        #expect(try states(it) == [.torn])
        try it.write(name, [])
        #expect(try states(it) == [.torn])
        var damaged = bytes
        damaged[bytes.count - 20] ^= 1
        try it.write(name, damaged)
        #expect(try states(it) == [.corrupt])
    }

    @Test func aSegmentOfAnotherSourceIsForeign() throws {
        let it = try TestSpool()
        try Sample.segment(0..<2, in: it.spool)
        let other = try it.spool.begin(Sample.header(start: Sample.end(1), system: "8"))
        try other.write(Sample.chunk(2..<3, layout: true))
        try other.seal()
        #expect(try states(it) == [.ok, .foreign])
    }

    @Test func aRenamedSegmentIsCorrupt() throws {
        let it = try TestSpool()
        let name = try Sample.segment(0..<2, in: it.spool)
        rename(it.path(name), it.path("00000001-0000000000001100.seg.lz4"))
        #expect(try states(it) == [.corrupt])
    }

    @Test func anotherTimelineIsReported() throws {
        let it = try TestSpool()
        try Sample.segment(0..<2, in: it.spool)
        let other = try it.spool.begin(Sample.header(start: Sample.end(1), timeline: 2))
        try other.write(Sample.chunk(2..<3, layout: true))
        try other.seal()
        #expect(try states(it) == [.ok, .timelineSwitch])
    }

    @Test func aSealedSegmentThatEndsInsideATransactionIsCorrupt() throws {
        let it = try TestSpool()
        let writer = try Sample.open(0..<2, in: it.spool)
        let buffer = ChunkBuffer(capacity: 4096)
        Sample.appendHead(2, to: buffer)
        try writer.write(buffer)
        let name = try writer.seal()
        let report = SegmentVerifier().verify(path: it.path(name))
        #expect(report.state == .corrupt)
        #expect(report.message?.contains("inside a transaction") == true)
        #expect(report.lostAfter == Sample.end(1))
    }

    /// Reading a folder fails as a bad disk does: read(2) returns an error.
    @Test func whatCannotBeReadIsNotCalledCorrupt() throws {
        let it = try TestSpool()
        let names = try [0..<2, 2..<4, 4..<5].map { try Sample.segment($0, in: it.spool) }
        unlink(it.path(names[1]))
        mkdir(it.path(names[1]), 0o755)
        let reports = try SegmentVerifier().verify(it.spool)
        #expect(reports.map(\.state) == [.ok, .unreadable, .ok])
        #expect(reports[1].message?.contains("ordinary file") == true)
    }

    @Test func aFolderWithoutASpoolIsNoSoundSpool() throws {
        let it = try TestSpool()
        let error = try #require(
            #expect(throws: SpoolError.self) { try SegmentVerifier().verify(SpoolDirectory(it.spool.segmentsPath)) })
        #expect(error.code == .missing)
    }

    @Test func swappedSegmentsAreBothNamed() throws {
        let it = try TestSpool()
        var names: [String] = []
        for range in [0..<2, 2..<4, 4..<5] {
            names.append(try Sample.segment(range, in: it.spool, previous: names.last))
        }
        let (first, second) = (try it.read(names[0]), try it.read(names[1]))
        try it.write(names[0], second)
        try it.write(names[1], first)
        let reports = try SegmentVerifier().verify(it.spool)
        #expect(reports.map(\.state) == [.corrupt, .corrupt, .ok])
        #expect(reports[0].lostAfter == Sample.start && reports[0].lostUpTo == Sample.end(1))
        #expect(reports[1].lostAfter == Sample.end(1) && reports[1].lostUpTo == Sample.end(3))
        #expect(reports[0].offset == 0 && reports[0].message?.contains(names[1]) == true)
    }

    @Test func aTruncatedSegmentNamesWhatItLost() throws {
        let it = try TestSpool()
        var names: [String] = []
        for range in [0..<5, 5..<6] { names.append(try Sample.segment(range, in: it.spool, previous: names.last)) }
        let bytes = try it.read(names[0])
        let frames = bytes.indices.filter { bytes[$0...].starts(with: [0x04, 0x22, 0x4D, 0x18]) }
        // In the middle of a chunk, and between two.
        for (count, offset) in [(frames[2] + 9, frames[2]), (frames[2], frames[2])] {
            try it.write(names[0], Array(bytes[..<count]))
            let reports = try SegmentVerifier().verify(it.spool)
            #expect(reports.map(\.state) == [.corrupt, .ok], "nothing is missing before the second")
            #expect(reports[0].offset == UInt64(offset))
            #expect(reports[0].lostAfter == Sample.end(1) && reports[0].lostUpTo == Sample.end(4))
        }
    }

    @Test func aMissingSegmentAfterADamagedOneIsAGap() throws {
        let it = try TestSpool()
        var names: [String] = []
        for range in [0..<2, 2..<4, 4..<5] {
            names.append(try Sample.segment(range, in: it.spool, previous: names.last))
        }
        try it.write(names[0], Array(try it.read(names[0]).dropLast(30)))
        unlink(it.path(names[1]))
        #expect(try states(it) == [.corrupt, .gap])
    }

    @Test func anOpenSegmentIsTheLastOne() throws {
        let it = try TestSpool()
        _ = try Sample.open(0..<2, in: it.spool)
        try Sample.segment(2..<3, in: it.spool)
        #expect(try states(it) == [.corrupt, .ok])
    }

    @Test func aForeignSegmentInPlaceOfAnotherLeavesAGap() throws {
        let it = try TestSpool()
        let names = try [0..<2, 2..<4, 4..<5].map { try Sample.segment($0, in: it.spool) }
        let other = try TestSpool()
        let foreign = try other.spool.begin(Sample.header(start: Sample.end(1), system: "8"))
        try foreign.write(Sample.chunk(2..<4, layout: true))
        try it.write(names[1], try other.read(try foreign.seal()))
        let reports = try SegmentVerifier().verify(it.spool)
        #expect(reports.map(\.state) == [.ok, .foreign, .gap])
        #expect(reports[2].lostAfter == Sample.end(1) && reports[2].lostUpTo == Sample.end(3))
    }

    @Test func oneTroubleDoesNotHideAnother() throws {
        let it = try TestSpool()
        let names = try [0..<2, 2..<4, 4..<6].map { try Sample.segment($0, in: it.spool) }
        unlink(it.path(names[1]))
        var bytes = try it.read(names[2])
        for place in [bytes.count / 2, 20] {
            bytes[place] ^= 1
            try it.write(names[2], bytes)
            let reports = try SegmentVerifier().verify(it.spool)
            #expect(reports.map(\.state) == [.ok, .corrupt])
            #expect(reports[1].message?.contains("ends at 0/1200, this one begins at 0/1400") == true)
        }
        unlink(it.path(names[2]))
        let open = try Sample.open(4..<6, in: it.spool).fileName
        try it.write(open, Array(try it.read(open).dropLast(3)))
        #expect(try states(it) == [.ok, .gap], "a gap is worse than a torn tail")
    }
}
