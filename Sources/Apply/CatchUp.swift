import Postgres
import Threading

/// How far the target is behind the source, and how long it will be at the pace of the last while.
struct CatchUp {
    /// Nanoseconds that the pace is taken from.
    static let windowNanoseconds: Int64 = 30_000_000_000
    /// From so many bytes behind on there is something to catch up.
    static let behindMin: UInt64 = 1 << 20

    private struct Sample {
        var time: Int64
        var applied: LSN
        var source: LSN
    }

    private var samples: [Sample] = []

    /// Bytes of WAL between the source's end, as it was last seen, and the target's position.
    private(set) var lagBytes: UInt64?
    /// Seconds until the target is where the source is, if both continue as they did; nil when it is there, comes no
    /// nearer, or both were looked at only once.
    private(set) var secondsLeft: Double?

    /// Takes what is known at a time, in nanoseconds of the monotonic clock.
    mutating func note(applied: LSN?, source: LSN?, at time: Int64 = Deadline.now.nanoseconds) {
        (lagBytes, secondsLeft) = (nil, nil)
        guard let applied, let source else { return }
        let lag = source > applied ? source.rawValue - applied.rawValue : 0
        lagBytes = lag
        samples.removeAll { time - $0.time > CatchUp.windowNanoseconds }
        samples.append(Sample(time: time, applied: applied, source: source))
        guard lag >= CatchUp.behindMin, let first = samples.first, time > first.time else { return }
        // Where the log begins, the target may take a leap; what counts is the distance, and how it shrinks.
        let before = Double(first.source.rawValue) - Double(first.applied.rawValue)
        let gained = before - Double(lag)
        guard gained > 0 else { return }
        secondsLeft = Double(lag) / gained * Double(time - first.time) / 1_000_000_000
    }
}
