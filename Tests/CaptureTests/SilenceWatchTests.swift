import Testing
import Threading

@testable import Capture

struct SilenceWatchTests {
    private let start = Deadline.now

    private func steps(_ watch: inout SilenceWatch, _ seconds: ClosedRange<Int>) -> [Int: SilenceWatch.Step] {
        var steps: [Int: SilenceWatch.Step] = [:]
        for second in seconds {
            let step = watch.step(start + second * 1_000)
            if step != .nothing { steps[second] = step }
        }
        return steps
    }

    @Test func itAsksThenWarnsThenGivesUp() {
        var watch = SilenceWatch(limitSeconds: 60, now: start)
        #expect(steps(&watch, 0...119) == [60: .ask, 70: .warn])
        #expect(watch.step(start + 120_000) == .giveUp)
    }

    @Test func anAnswerBeginsAgain() {
        var watch = SilenceWatch(limitSeconds: 60, now: start)
        #expect(steps(&watch, 0...65) == [60: .ask])
        watch.heard(start + 65_000)
        #expect(watch.nextLook == start + 125_000)
        #expect(steps(&watch, 66...124) == [:])
    }

    @Test func zeroIsNever() {
        var watch = SilenceWatch(limitSeconds: 0, now: start)
        #expect(watch.nextLook == .never)
        #expect(watch.step(start + 1_000_000) == .nothing)
    }
}
