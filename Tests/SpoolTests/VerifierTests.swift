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
        let other = try SegmentWriter(
            directory: it.spool.segmentsPath, header: Sample.header(start: Sample.end(1), system: "8"))
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
        let other = try SegmentWriter(
            directory: it.spool.segmentsPath, header: Sample.header(start: Sample.end(1), timeline: 2))
        try other.write(Sample.chunk(2..<3, layout: true))
        try other.seal()
        #expect(try states(it) == [.ok, .timelineSwitch])
    }
}
