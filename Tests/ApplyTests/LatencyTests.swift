import Apply
import Testing

struct LatencyTests {
    @Test func eachBatchIsInOneClass() {
        var latency = ApplyLatency()
        // One clock is ahead of the other; on a bound, between two, above all.
        for seconds in [-1, 0.01, 0.02, 7_200] { latency.note(seconds: seconds) }
        #expect(latency.counts.prefix(2) == [2, 1] && latency.counts.last == 1)
        #expect(latency.counts.reduce(0, +) == 4)
        #expect(abs(latency.seconds - 7200.03) < 0.001)
    }
}
