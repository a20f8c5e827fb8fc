import Postgres
import Spool
import Testing

@Suite struct SegmentNameTests {
    @Test(arguments: [
        "00000001-0000000000001000.seg.lz4", "00000001-0000000000001000.seg.lz4.partial",
        "FFFFFFFF-FFFFFFFFFFFFFFFF.seg.lz4", "00000000-0000000000000000.seg.lz4.partial",
        "0000000A-00000016B374D848.seg.lz4",
    ])
    func aNameIsReadAndWrittenAlike(fileName: String) throws {
        let name = try #require(SegmentName(fileName: fileName))
        #expect(name.fileName == fileName)
        #expect(name.isPartial == fileName.hasSuffix(".partial"))
        #expect(!name.sealed.isPartial)
        #expect(name.sealed.start == name.start && name.sealed.timeline == name.timeline)
    }

    @Test func aNameSaysTimelineAndStart() throws {
        let name = try #require(SegmentName(fileName: "0000000A-00000016B374D848.seg.lz4"))
        #expect(name.timeline == 10)
        #expect(name.start == LSN("16/B374D848"))
        #expect(name == SegmentName(timeline: 10, start: LSN(rawValue: 0x16_B374_D848), isPartial: false))
    }

    @Test(arguments: [
        "", ".seg.lz4", "00000001-0000000000001000", "00000001-0000000000001000.seg", "00000001-0000000000001000.lz4",
        "0000001-0000000000001000.seg.lz4", "000000001-0000000000001000.seg.lz4", "00000001-000000000001000.seg.lz4",
        "00000001-00000000000010000.seg.lz4", "000000010000000000001000.seg.lz4", "0000000a-0000000000001000.seg.lz4",
        "00000001-000000000000100a.seg.lz4", "+0000001-0000000000001000.seg.lz4", "00000001-+000000000001000.seg.lz4",
        "0000000G-0000000000001000.seg.lz4", "00000001-0000000000001000-1.seg.lz4",
        "./00000001-0000000000001000.seg.lz4",
        "00000001-0000000000001000.seg.lz4.partial.partial", "00000001-0000000000001000.seg.lz4.partial.damaged",
        "00000001-0000000000001000.seg.lz4.partial.repair", "00000001-0000000000001000.SEG.LZ4",
        " 00000001-0000000000001000.seg.lz4", "00000001-0000000000001000.seg.lz4\n",
        "٠0000001-0000000000001000.seg.lz4",
        ".00000001-0000000000001000.seg.lz4", "00000001-0000000000001000.partial.seg.lz4",
    ])
    func whatIsNoSegmentIsRefused(fileName: String) {
        #expect(SegmentName(fileName: fileName) == nil)
    }

    @Test func theOrderIsThatOfCommitsWhateverTheTimeline() {
        func name(_ timeline: UInt32, _ start: UInt64, _ isPartial: Bool = false) -> SegmentName {
            SegmentName(timeline: timeline, start: LSN(rawValue: start), isPartial: isPartial)
        }
        let ordered = [
            name(1, 0), name(1, 9), name(1, 10), name(9, 15), name(2, 16), name(2, 16, true), name(3, 16),
            name(1, 0xFFFF_FFFF), name(1, 0x1_0000_0000), name(1, .max),
        ]
        #expect(ordered.shuffled().sorted() == ordered)
        let sameTimeline = ordered.filter { $0.timeline == 1 }.map(\.fileName)
        #expect(sameTimeline.sorted() == sameTimeline)
    }
}
