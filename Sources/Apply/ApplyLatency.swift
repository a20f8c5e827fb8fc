/// How long after their commits on the source batches were committed on the target: a histogram, as Prometheus has them.
public struct ApplyLatency: Codable, Sendable, Equatable {
    /// The upper bounds of all classes but the last, in seconds.
    public static let bounds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120, 600, 3600]

    /// The batches of each class; the last one is of those above all bounds.
    public var counts: [Int] = Array(repeating: 0, count: Self.bounds.count + 1)
    /// The seconds of all batches together.
    public var seconds: Double = 0

    /// Nothing yet.
    public init() {}

    /// Counts a batch whose last transaction was applied so many seconds after its commit.
    public mutating func note(seconds passed: Double) {
        // The clocks of two machines may differ.
        let passed = max(0, passed)
        counts[Self.bounds.firstIndex { passed <= $0 } ?? Self.bounds.count] += 1
        seconds += passed
    }
}
