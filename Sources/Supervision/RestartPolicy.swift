/// When a stage that died is started again: after pauses that grow, and so many times in a row.
struct RestartPolicy: Sendable {
    /// A stage that ran so long is as if it had never failed.
    static let steadySeconds = 60.0
    private static let firstMilliseconds = 500
    private static let longestMilliseconds = 30_000

    /// Restarts in a row after which it is given up.
    let restartsMax: Int
    private(set) var restartsInARow = 0

    init(restartsMax: Int) {
        self.restartsMax = restartsMax
    }

    /// Milliseconds until the next start of a stage that ran for `seconds`; nil when there have been enough.
    mutating func pause(afterRunning seconds: Double) -> Int? {
        if seconds >= Self.steadySeconds { restartsInARow = 0 }
        guard restartsInARow < restartsMax else { return nil }
        defer { restartsInARow += 1 }
        // Beyond a few doublings it is the longest anyway.
        return min(Self.firstMilliseconds << min(restartsInARow, 10), Self.longestMilliseconds)
    }
}
