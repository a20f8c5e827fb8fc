import Capture
import PgOutput
import Postgres
import Testing

/// What the protocol does not allow is an error, never a guess.
@Suite struct ProtocolTests {
    private func violation(_ messages: [[UInt8]]) throws {
        let it = Assembly()
        try it.take(Build.relation(1, "t"))
        for message in messages.dropLast() { try it.take(message) }
        let last = try #require(messages.last)
        let error = try #require(#expect(throws: CaptureError.self) { try it.take(last) })
        #expect(error.code == .protocolViolation)
    }

    @Test(arguments: [
        Build.insert(1, "a"), Build.update(1, "a"), Build.delete(1, "a"), Build.truncate([1]), Build.origin("o"),
        Build.commit(0x200, end: 0x208),
    ])
    func whatBelongsIntoATransactionIsRefusedOutside(message: [UInt8]) throws {
        try violation([message])
        try violation([Build.begin(0x200), Build.commit(0x200, end: 0x208), message])
    }

    @Test func aTransactionInsideAnotherIsRefused() throws {
        try violation([Build.begin(0x200), Build.begin(0x300)])
        // The first is one that the log has.
        try violation([Build.begin(0x20), Build.begin(0x300)])
    }

    @Test func unknownAndDamagedMessagesAreRefused() throws {
        for message in [[], [0], Array("S".utf8), Array(Build.begin(0x200).dropLast()), Array("I\0\0".utf8)] {
            let it = Assembly()
            try it.take(Build.begin(0x150))
            #expect(throws: PgOutputError.self) { try it.take(message) }
        }
    }

    @Test func originsAndMessagesOfATransactionStayInIt() throws {
        let it = Assembly()
        try it.take(Build.relation(1, "t"))
        let message = Build.message("m", at: 0x10, transactional: true)
        try it.transaction(0x200, Build.origin("elsewhere"), message, message, Build.insert(1, "a"))
        #expect(
            try it.records() == [
                "begin 0/200", "origin elsewhere", "message m", "message m", "facts t", "layout t", "insert 1",
                "commit 0/208",
            ])
        #expect(it.assembler.messages == 6)
        #expect(it.assembler.transactions == 1)
    }

    @Test func theLastCommitsTimeIsKept() throws {
        let it = Assembly()
        #expect(it.assembler.lastCommitTime == nil)
        try it.take(Build.begin(0x200))
        try it.take(Build.commit(0x200, end: 0x208, time: 42))
        #expect(it.assembler.lastCommitTime == Timestamp(rawValue: 42))
    }
}
