import Postgres
import Testing
import Threading

@testable import Capture

/// Where a capture ends, and what it does about a source that is silent.
@Suite struct CaptureGoalTests {
    private static let end = LSN(rawValue: 0x5000)
    private static func at(_ seconds: Int) -> Deadline { Deadline(nanoseconds: 1_000_000_000 * Int64(seconds)) }

    @Test func withoutAnEndNothingIsDone() {
        var goal = CaptureGoal.none
        goal.heard(Self.at(5))
        #expect(goal == .none && goal.end == nil && goal.nextLook == .never)
        #expect(goal.step(Self.at(1_000)) == .nothing)
    }

    @Test func anIdleSourceEndsTheCaptureWhereItIs() {
        var goal = CaptureGoal.silence(since: Self.at(0))
        #expect(goal.end == nil)
        goal.heard(Self.at(10))
        #expect(goal.nextLook == Self.at(10 + CaptureOptions.idleAfter))
        #expect(goal.step(Self.at(9 + CaptureOptions.idleAfter)) == .nothing)
        #expect(goal.step(Self.at(10 + CaptureOptions.idleAfter)) == .endHere)
        goal.ends(at: Self.end, Self.at(20))
        #expect(goal.end == Self.end)
        // From there on the source has some time before it is nudged.
        #expect(goal.step(Self.at(20)) == .nothing)
    }

    @Test func anIdleSourceBeforeTheEndIsNudgedOnce() {
        var goal = CaptureGoal.position(Self.end, since: Self.at(0))
        goal.heard(Self.at(3))
        #expect(goal.step(Self.at(2 + CaptureOptions.nudgeAfter)) == .nothing)
        #expect(goal.step(Self.at(3 + CaptureOptions.nudgeAfter)) == .nudge)
        goal.wasNudged()
        goal.heard(Self.at(9))
        #expect(goal.end == Self.end && goal.nextLook == .never)
        #expect(goal.step(Self.at(1_000)) == .nothing)
    }
}
