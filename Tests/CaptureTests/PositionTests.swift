import Capture
import PgOutput
import Postgres
import Testing

/// The position moves by commits and, outside transactions, by what the server says of itself.
@Suite struct PositionTests {
    @Test func aKeepaliveInsideATransactionMovesNothing() throws {
        let it = Assembly(end: 0x500)
        try it.take(Build.begin(0x200))
        #expect(it.keepalive(0x900) == .none)
        #expect(!it.watermark())
        #expect(it.assembler.idlePosition == LSN(rawValue: 0x100))
        #expect(try it.take(Build.commit(0x200, end: 0x208)) == .commit)
        #expect(it.position == 0x208)
        #expect(!it.watermark())
        #expect(try it.records() == ["begin 0/200", "commit 0/208"])
    }

    @Test func aKeepaliveInsideADroppedTransactionMovesNothing() throws {
        let it = Assembly(position: 0x300, end: 0x500)
        try it.take(Build.begin(0x200))
        #expect(it.keepalive(0x900) == .none)
        #expect(!it.watermark())
        try it.take(Build.commit(0x200, end: 0x208))
        #expect(it.position == 0x300)
        #expect(try it.records() == [])
    }

    @Test func aWatermarkSaysThatTheServerIsFurther() throws {
        let it = Assembly()
        #expect(!it.watermark())
        #expect(it.keepalive(0x100) == .none)
        #expect(!it.watermark())
        #expect(it.keepalive(0x180) == .none)
        #expect(it.position == 0x100)
        #expect(it.watermark())
        #expect(it.position == 0x180)
        #expect(!it.watermark())
        #expect(it.keepalive(0x120) == .none)
        #expect(!it.watermark())
        #expect(try it.records() == ["watermark 0/180"])
    }

    @Test func aTransactionBehindAWatermarkIsDroppedLikeOneBehindACommit() throws {
        let it = Assembly()
        _ = it.keepalive(0x300)
        _ = it.watermark()
        try it.transaction(0x200)
        try it.transaction(0x300)
        #expect(try it.records() == ["watermark 0/300", "begin 0/300", "commit 0/308"])
    }

    @Test func aCommitThatEndsAtTheEndPositionIsIncluded() throws {
        let it = Assembly(end: 0x208)
        #expect(!it.assembler.isAtEnd)
        #expect(try it.transaction(0x200) == .reachedEnd)
        #expect(it.assembler.isAtEnd)
        #expect(try it.records() == ["begin 0/200", "commit 0/208"])
    }

    @Test func aCommitThatStraddlesTheEndPositionIsIncluded() throws {
        let it = Assembly(end: 0x204)
        #expect(try it.transaction(0x200) == .reachedEnd)
        #expect(it.position == 0x208)
    }

    @Test func aCommitBeforeTheEndPositionIsNotTheEnd() throws {
        let it = Assembly(end: 0x209)
        #expect(try it.transaction(0x200) == .commit)
        #expect(!it.assembler.isAtEnd)
    }

    @Test(arguments: [0x200, 0x201, 0x900] as [UInt64])
    func aTransactionPastTheEndPositionIsNotBegun(final: UInt64) throws {
        let it = Assembly(end: 0x200)
        #expect(try it.take(Build.begin(final)) == .reachedEnd)
        #expect(!it.assembler.isInTransaction)
        it.end()
        #expect(try it.records() == [#"end 0/200 {"endpos":"0/200","reason":"endpos"}"#])
        #expect(it.position == 0x200)
        #expect(it.assembler.isAtEnd)
    }

    @Test func aKeepaliveAtTheEndPositionIsTheEnd() throws {
        let it = Assembly(end: 0x200)
        #expect(it.keepalive(0x1FF) == .none)
        #expect(it.keepalive(0x200) == .reachedEnd)
        it.end()
        #expect(it.position == 0x200)
    }

    @Test func aLogThatReachesTheEndPositionWantsNothing() {
        #expect(Assembly(position: 0x200, end: 0x200).assembler.isAtEnd)
        #expect(Assembly(position: 0x201, end: 0x200).assembler.isAtEnd)
        #expect(!Assembly(position: 0x200).assembler.isAtEnd)
    }

    @Test func aDroppedTransactionIsNotTheEnd() throws {
        let it = Assembly(position: 0x300, end: 0x308)
        #expect(try it.transaction(0x200) == .none)
        #expect(try it.transaction(0x300) == .reachedEnd)
    }
}
