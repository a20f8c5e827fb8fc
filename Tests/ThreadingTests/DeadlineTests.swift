import Testing
import Threading

@Suite struct DeadlineTests {
    @Test func aMomentPassesOnceItHasCome() {
        #expect(Deadline.now.hasPassed)
        #expect(!Deadline.after(milliseconds: 60_000).hasPassed)
        #expect(!Deadline.never.hasPassed)
        #expect(Deadline.after(milliseconds: -5).remainingNanoseconds == 0)
    }

    @Test(arguments: [Int.max, Int.max / 1_000, 1 << 55])
    func aMomentTooFarAwayNeverComes(milliseconds: Int) {
        #expect(Deadline.after(milliseconds: milliseconds) == .never)
        #expect(Deadline.never + milliseconds == .never)
    }

    @Test func whatIsLeftIsRoundedUpForPollAndBounded() {
        #expect((1...2).contains(Deadline.after(milliseconds: 2).pollTimeout))
        #expect(Deadline.after(milliseconds: -1).pollTimeout == 0)
        #expect(Deadline.never.pollTimeout == 86_400_000)
    }
}
