import Testing

@testable import Migration

/// What clone tells its stages.
struct FollowPipelineTests {
    @Test func batchesAreLargerWhereTheTargetIsFarAway() {
        #expect(FollowPipeline.batchSize(roundTrip: .milliseconds(1)).isEmpty)
        #expect(FollowPipeline.batchSize(roundTrip: .milliseconds(20)) == ["--max-bytes", "32MB"])
    }
}
