import Testing

@testable import Capture

@Suite struct PacerTests {
    /// What a source does between two reads: it sends this much, in messages of 100 bytes, of which libpq takes up to
    /// 16 KiB at a time. Returns the steps up to the next pause or wait.
    private func cycle(_ pacer: inout ReadPacer, messages: Int) -> ReadPacer.Step {
        var rest = messages
        while true {
            for _ in 0..<min(rest, 160) { pacer.took(100) }
            rest -= min(rest, 160)
            let step = pacer.next()
            if step != .read { return step }
        }
    }

    @Test func aLoneMessageIsFollowedByOneReadAndThenByWaiting() {
        var pacer = ReadPacer()
        #expect(pacer.next() == .wait)
        #expect(cycle(&pacer, messages: 1) == .pause(microseconds: 50))
        #expect(cycle(&pacer, messages: 0) == .wait)
        #expect(pacer.next() == .wait)
    }

    @Test func afterAWholeReadThereMayBeMore() {
        var pacer = ReadPacer()
        pacer.took(9_000)
        #expect(pacer.next() == .read)
    }

    @Test func waitingComesOnlyAfterAReadThatBroughtNothing() {
        var pacer = ReadPacer()
        for messages in [1, 5, 300, 2, 1_000, 1] {
            #expect(cycle(&pacer, messages: messages) != .wait)
        }
        #expect(cycle(&pacer, messages: 0) == .wait)
    }

    @Test(arguments: [0.02, 0.1, 0.3])
    func pausesFillPartOfTheSocketAndNoMore(messagesPerMicrosecond: Double) {
        var pacer = ReadPacer()
        var pause = 50
        for _ in 0..<20 {
            let messages = max(1, Int(Double(pause) * messagesPerMicrosecond))
            guard case .pause(let next) = cycle(&pacer, messages: messages) else {
                Issue.record("messages keep coming, but the pacer waits")
                return
            }
            pause = next
        }
        let filled = Double(pause) * messagesPerMicrosecond * Double(100 + ReadPacer.overhead)
        #expect(filled <= Double(ReadPacer.target) * 1.1)
        #expect(filled >= Double(ReadPacer.target) * 0.7 || pause == 500)
    }

    @Test func aBurstShortensTheNextPause() {
        var pacer = ReadPacer()
        for _ in 0..<20 { _ = cycle(&pacer, messages: 10) }
        #expect(cycle(&pacer, messages: 10) == .pause(microseconds: 500))
        #expect(cycle(&pacer, messages: 500) == .pause(microseconds: 250))
    }
}
