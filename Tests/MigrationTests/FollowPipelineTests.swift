import Testing
@testable import Migration
@testable import Supervision

/// What clone tells its stages.
struct FollowPipelineTests {
    @Test func batchesAreLargerWhereTheTargetIsFarAway() {
        #expect(FollowPipeline.batchSize(roundTrip: .milliseconds(1)).isEmpty)
        #expect(FollowPipeline.batchSize(roundTrip: .milliseconds(20)) == ["--max-bytes", "32MB"])
    }
}
