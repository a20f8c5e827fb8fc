import Threading

/// Counts how often a session was lost while one batch was applied. A target that restarts takes some of them along; a
/// batch that ends every session that applies it would never come to an end.
struct SessionLosses {
    /// So many are retried.
    private let max: Int
    private var count = 0
    private var last: ApplyError?
    /// The pauses, which grow from one loss to the next.
    var backoff = Backoff()

    init(max: Int) {
        self.max = max
    }

    /// Takes a failure of the batch. One loss too many is a refusal: what the batch does ends the session.
    mutating func note(_ error: ApplyError) -> ApplyError {
        guard error.isTransient else {
            last = nil
            return error
        }
        last = error
        // A deadlock is about others; it ends some time.
        guard error.code == .connectionLost else { return error }
        count += 1
        guard count > max else { return error }
        let lost = count
        // In another order, it is to be seen within a few more.
        count = Swift.max(0, max - SessionLosses.laterMax)
        var refusal = ApplyError(
            .server,
            "the target ended the session \(lost) times in a row while the batch was applied (\(error.message)). "
                + "Nothing of it is applied: look into the target's log for what ends the session, fix it, and run it again",
            batch: error.batch, table: error.table, cause: error.cause)
        refusal.refused = error.refused
        return refusal
    }

    /// The loss that the session must be opened again after.
    mutating func takeLast() -> ApplyError? {
        defer { last = nil }
        return last
    }

    private static let laterMax = 3
}
