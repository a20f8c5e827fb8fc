import Testing
import Threading

@Suite struct BackoffTests {
    @Test func pausesDoubleUpToFiveSeconds() {
        var backoff = Backoff()
        #expect((0..<8).map { _ in backoff.next() } == [100, 200, 400, 800, 1600, 3200, 5000, 5000])
    }
}
