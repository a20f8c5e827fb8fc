import Migration

/// What the numbers were during the last hour, for the page's curve.
struct StatusHistory: Sendable {
    /// One look.
    struct Sample: Sendable, Equatable {
        /// Seconds since the first look.
        var second: Int
        /// Bytes of WAL by which the target is behind; nil when that was not known.
        var lagBytes: UInt64?
    }

    /// In seconds: how far back it goes, and the time that one sample stands for.
    static let spanSeconds = 3_600
    static let stepSeconds = 10

    private(set) var samples: [Sample] = []

    /// Adds a look; of those within one step the worst is kept.
    mutating func add(second: Int, lagBytes: UInt64?) {
        let start = second - second % Self.stepSeconds
        if let last = samples.last, last.second == start {
            samples[samples.count - 1].lagBytes = [last.lagBytes, lagBytes].compactMap { $0 }.max()
        } else {
            samples.append(Sample(second: start, lagBytes: lagBytes))
        }
        samples.removeAll { $0.second < start - Self.spanSeconds }
    }
}
