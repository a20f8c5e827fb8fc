import Logging
import Postgres
import Threading

/// Waiting for a target's position that another session holds: it may be the last run's, and about to end.
public struct PositionWait {
    let deadline: Deadline
    let stop: StopRequest?
    let logger: Logger
    private let retryMilliseconds = 500

    /// Waits for at most `seconds`, and no longer than until `stop`.
    public init(seconds: Int, stop: StopRequest?, logger: Logger) {
        deadline = .after(milliseconds: seconds * 1000)
        self.stop = stop
        self.logger = logger
    }

    /// Calls `take` until it returns.
    ///
    /// - Parameter stream: the name of the position.
    /// - Throws: what `take` throws, unless that is `objectInUse` and there is time.
    func callAsFunction(_ stream: String, _ take: () throws(PostgresError) -> Void) throws(PostgresError) {
        var isLogged = false
        while true {
            do throws(PostgresError) {
                return try take()
            } catch {
                guard error.sqlState == .objectInUse, !deadline.hasPassed, stop?.isRequested != true else {
                    throw error
                }
                if !isLogged {
                    logger.warning(
                        "waiting for the target's position, which another session holds",
                        metadata: ["stream": "\(stream)", "server": "\(error.message)"])
                    isLogged = true
                }
                _ = Polling.wait(stop?.descriptor ?? -1, until: min(deadline, .after(milliseconds: retryMilliseconds)))
            }
        }
    }
}
