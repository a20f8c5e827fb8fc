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
        let deadline = Deadline.after(milliseconds: 60_000)
        let timeout = deadline.pollTimeout
        #expect(timeout <= 60_000)
        #expect(Int64(timeout) * 1_000_000 >= deadline.remainingNanoseconds)
        #expect(Deadline.after(milliseconds: -1).pollTimeout == 0)
        #expect(Deadline.never.pollTimeout == 86_400_000)
    }
}
