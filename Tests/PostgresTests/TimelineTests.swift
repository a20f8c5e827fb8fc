import Postgres
import Testing

/// Which timeline continues a log.
@Suite struct TimelineTests {
    private func lsn(_ value: UInt64) -> LSN { LSN(rawValue: value) }

    private func history(_ ends: (UInt32, UInt64)...) -> [TimelineEnd] {
        ends.map { TimelineEnd(timeline: $0.0, end: lsn($0.1)) }
    }

    @Test func aHistoryFile() throws {
        let text = "# remark\n\n1\t0/3000158\tno recovery target specified\n\n  3\t1/A0\tbefore 2000-01-01\n"
        #expect(try [TimelineEnd](historyFile: text) == history((1, 0x300_0158), (3, 0x1_0000_00A0)))
        #expect(try [TimelineEnd](historyFile: "").isEmpty)
    }

    @Test(arguments: ["one\t0/1\tx", "1", "1\tx", "-1\t0/1", "2\t0/1\n1\t0/2", "1\t0/2\n2\t0/1", "1\t0/1\n1\t0/1"])
    func aHistoryFileThatCannotBeRead(text: String) {
        #expect(throws: PostgresError.self) { try [TimelineEnd](historyFile: text) }
    }

    @Test func theRelationToALog() {
        let first = Timeline(1, history: nil)
        let second = Timeline(2, history: history((1, 0x5000)))
        let fourth = Timeline(4, history: history((1, 0x5000), (2, 0x7000)))
        #expect(first.relation(to: first, endingAt: lsn(0x9000)) == .same)
        #expect(second.relation(to: second, endingAt: lsn(0x9000)) == .same)
        #expect(second.relation(to: first, endingAt: lsn(0x4FF8)) == .continues(fork: lsn(0x5000)))
        #expect(second.relation(to: first, endingAt: lsn(0x5000)) == .continues(fork: lsn(0x5000)))
        #expect(second.relation(to: first, endingAt: lsn(0x5008)) == .parted(fork: lsn(0x5000)))
        #expect(fourth.relation(to: first, endingAt: lsn(0x5000)) == .continues(fork: lsn(0x5000)))
        #expect(fourth.relation(to: second, endingAt: lsn(0x7000)) == .continues(fork: lsn(0x7000)))
        #expect(fourth.relation(to: second, endingAt: lsn(0x7008)) == .parted(fork: lsn(0x7000)))
        #expect(first.relation(to: second, endingAt: lsn(0x10)) == .older)
        #expect(fourth.relation(to: Timeline(3, history: nil), endingAt: lsn(0x10)) == .unrelated)
    }

    /// Two standbys of one server, promoted apart, may choose the same number.
    @Test func theSameNumberOfAnotherHistory() {
        let log = Timeline(2, history: history((1, 0x5000)))
        #expect(Timeline(2, history: history((1, 0x4000))).relation(to: log, endingAt: lsn(0x5100)) == .unrelated)
        let other = Timeline(3, history: history((1, 0x4000), (2, 0x9000)))
        #expect(other.relation(to: log, endingAt: lsn(0x5100)) == .unrelated)
        // Segments of 0.1, and a server that lost its history file, say nothing of it.
        let silent = Timeline(2, history: nil)
        #expect(silent.relation(to: log, endingAt: lsn(0x5100)) == .same)
        #expect(other.relation(to: silent, endingAt: lsn(0x5100)) == .continues(fork: lsn(0x9000)))
        #expect(Timeline(3, history: nil).relation(to: log, endingAt: lsn(0x10)) == .unrelated)
    }

    /// The end of a page, and the place after the next page's header, are one position.
    @Test func positionsAtAPageBoundary() {
        for header: UInt64 in [0x18, 0x28] {
            #expect(lsn(0x1_E000 + header).isCovered(by: lsn(0x1_E000)))
            #expect(!lsn(0x1_E000 + header).isCovered(by: lsn(0x1_DFF8)))
            #expect(lsn(0x1_E000).isCovered(by: lsn(0x1_E000 + header)))
        }
        #expect(!lsn(0x1_E030).isCovered(by: lsn(0x1_E000)))
        #expect(!lsn(0x1_D018).isCovered(by: lsn(0x1_D000)), "in the middle of a page")
        #expect(lsn(7).isCovered(by: lsn(7)) && !lsn(0x118).isCovered(by: lsn(0x110)))
    }
}
