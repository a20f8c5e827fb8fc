/// The pauses between attempts to connect again: short at first, doubled each time, up to a limit.
public struct Backoff: Sendable {
    private static let firstMilliseconds = 100
    private static let longestMilliseconds = 5_000

    private var milliseconds = Backoff.firstMilliseconds

    /// The first pause is next.
    public init() {}

    /// The pause before the next attempt, in milliseconds.
    public mutating func next() -> Int {
        defer { milliseconds = min(milliseconds * 2, Backoff.longestMilliseconds) }
        return milliseconds
    }
}
