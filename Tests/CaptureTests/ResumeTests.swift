import Capture
import Postgres
import Testing

/// After a reconnect the source sends whole transactions again: the log must have each exactly once.
@Suite struct ResumeTests {
    @Test func aTransactionThatTheLogHasIsDropped() throws {
        let it = Assembly(position: 0x208)
        #expect(try it.transaction(0x200, Build.relation(1, "t"), Build.insert(1, "a")) == .none)
        #expect(try it.records() == [])
        #expect(it.position == 0x208)
        #expect(it.assembler.transactions == 0)
    }

    @Test func theTransactionThatBeginsWhereTheLogEndsIsKept() throws {
        let it = Assembly(position: 0x200)
        #expect(try it.transaction(0x200) == .commit)
        #expect(try it.records() == ["begin 0/200", "commit 0/208"])
        #expect(it.position == 0x208)
    }

    @Test func resentTransactionsAreDroppedWhateverTheirRecordsPositions() throws {
        let it = Assembly()
        try it.take(Build.relation(1, "t"))
        try it.transaction(0x300, Build.insert(1, "b"))
        _ = try it.records()
        // Its first change lies after the other's commit; the transaction itself was committed before.
        try it.take(Build.begin(0x280))
        try it.take(Build.insert(1, "late"), at: 0x900)
        try it.take(Build.truncate([1]), at: 0x901)
        try it.take(Build.message("m", at: 0x902, transactional: true), at: 0x902)
        try it.take(Build.origin("o"), at: 0x903)
        #expect(try it.take(Build.commit(0x280, end: 0x288), at: 0x288) == .none)
        #expect(try it.records() == [])
        // Its changes lie before that commit; it was committed after.
        try it.take(Build.begin(0x400))
        try it.take(Build.insert(1, "early"), at: 0x10)
        #expect(try it.take(Build.commit(0x400, end: 0x408), at: 0x408) == .commit)
        #expect(try it.records() == ["begin 0/400", "insert 1", "commit 0/408"])
        #expect(it.position == 0x408)
    }

    @Test func aLayoutInADroppedTransactionIsKnownToTheNext() throws {
        let it = Assembly(position: 0x300)
        try it.transaction(0x200, Build.type(99, "mood"), Build.relation(1, "t", type: 99), Build.insert(1, "a"))
        try it.transaction(0x300, Build.insert(1, "b"))
        let expected = ["begin 0/300", "type mood", "facts t", "layout t", "insert 1", "commit 0/308"]
        #expect(try it.records() == expected)
    }

    @Test func messagesOutsideTransactionsAreTakenOnceEach() throws {
        let it = Assembly()
        for lsn: UInt64 in [0x150, 0x150, 0x140, 0x151] {
            try it.take(Build.message("\(lsn)", at: lsn, transactional: false), at: lsn)
        }
        #expect(try it.records() == ["message \(0x150)", "message \(0x151)"])
        #expect(it.position == 0x100)
    }

    @Test func messagesOutsideTransactionsHideNoTransactionAndAreHiddenByNone() throws {
        let it = Assembly()
        try it.take(Build.message("far", at: 0x900, transactional: false), at: 0x900)
        #expect(try it.transaction(0x200) == .commit)
        // Emitted before that transaction's commit, and sent after it.
        let other = Assembly()
        try other.transaction(0x200)
        try other.take(Build.message("low", at: 0x180, transactional: false), at: 0x180)
        #expect(try it.records() == ["message far", "begin 0/200", "commit 0/208"])
        #expect(try other.records() == ["begin 0/200", "commit 0/208", "message low"])
    }

    /// What is taken up at a position comes without the messages before it, and with those behind it.
    @Test func noPositionToResumeFromLiesBeforeAMessageInTheLog() throws {
        let it = Assembly()
        #expect(it.keepalive(0x140) == .none)
        try it.take(Build.message("m", at: 0x150, transactional: false), at: 0x150)
        #expect(!it.watermark(), "the log would be taken up at 0/140, and the message come again")
        #expect(it.position == 0x100)
        #expect(it.keepalive(0x180) == .none)
        #expect(it.watermark())
        #expect(try it.records() == ["message m", "watermark 0/180"])
    }

    @Test func aMessageBehindTheEndIsLeftToTheNextRun() throws {
        let it = Assembly(end: 0x140)
        try it.take(Build.message("before", at: 0x130, transactional: false), at: 0x130)
        #expect(try it.take(Build.message("behind", at: 0x140, transactional: false), at: 0x140) == .reachedEnd)
        it.end()
        #expect(try it.records().map { $0.prefix(14) } == ["message before", "end 0/140 {\"en"])
        #expect(it.position == 0x140)
    }
}
