import Glibc
import Spool
import TestSupport
import Testing

/// A spool with a great many files.
@Suite(.timeLimit(.minutes(1))) struct ManySegmentsTests {
    /// A listing for each segment would cost the square of their number: here, far more than the time limit allows.
    @Test func oneListingServesForAllSegments() throws {
        let it = try TestSpool()
        let count = 300
        for index in 0..<count { try Sample.segment(index..<(index + 1), in: it.spool) }
        for index in 0..<20_000 { close(open("\(it.spool.segmentsPath)/other-\(index)", O_CREAT | O_WRONLY, 0o600)) }
        let consumer = Consumer()
        try consumer.drain(try SpoolReader(it.spool, from: nil, follows: false))
        #expect(consumer.transactions == Sample.transactions(0..<count))
    }
}
