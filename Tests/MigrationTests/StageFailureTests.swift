import Testing
@testable import Migration
@testable import Supervision

/// Which stage failed by itself, and whether starting it again can help.
struct StageFailureTests {
    private func cause(_ ends: (String, Int32)..., isEndless: Bool = true) -> String? {
        StageFailure.cause(of: ends.map { StageFailure(stage: $0.0, code: $0.1) }, isEndless: isEndless)
            .map { "\($0.stage) \($0.code)" }
    }

    @Test func theCauseIsNamedWhicheverIsSeenFirst() {
        #expect(cause(("replay", 16), ("transform", 18)) == "replay 16")
        #expect(cause(("transform", 18), ("replay", 16)) == "replay 16")
        #expect(cause(("transform", 18), ("replay", 137)) == "replay 137")
        #expect(cause(("replay", 14), ("transform", 137)) == "transform 137")
        #expect(cause(("transform", 137), ("replay", 14)) == "transform 137")
        // A log that cannot be read, and a pipe without a reader, have the same code.
        #expect(cause(("transform", 18), ("replay", 0)) == "transform 18")
        #expect(cause(("replay", 14), ("transform", 18)) == "transform 18")
        #expect(cause(("replay", 14), ("transform", 0)) == "replay 14")
    }

    @Test func withoutAnEndEveryEndIsAFailure() {
        #expect(cause(("receive", 0)) == "receive 0")
        #expect(cause(("receive", 0), isEndless: false) == nil)
        #expect(cause(("transform", 0), ("replay", 0), isEndless: false) == nil)
        #expect(cause(("transform", 0), ("replay", 14), isEndless: false) == "replay 14")
    }

    @Test func whatWantsAPersonIsNotStartedAgain() {
        let transient = (Int32(0)...18).filter { StageFailure(stage: "replay", code: $0).isTransient }
        #expect(transient == [0, 3, 7, 14, 17])
        #expect(StageFailure(stage: "replay", code: 137).isTransient)
    }

    @Test func pausesGrowAndHaveAnEnd() {
        var policy = RestartPolicy(restartsMax: 9)
        let pauses = (0..<9).map { _ in policy.pause(afterRunning: 1) }
        #expect(pauses == [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000])
        #expect(policy.pause(afterRunning: 59) == nil)
        #expect(policy.pause(afterRunning: 60) == 500)
        var never = RestartPolicy(restartsMax: 0)
        #expect(never.pause(afterRunning: 1000) == nil)
    }
}
