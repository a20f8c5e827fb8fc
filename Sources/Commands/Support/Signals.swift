import Glibc
import Threading
import UnixSignals

/// SIGINT, SIGTERM and SIGHUP.
enum Signals {
    /// Turns the first signal into a stop request; the second ends the process, as if it had not been caught.
    ///
    /// - Parameter hangup: what SIGHUP asks for; without it, it ends the process.
    static func forward(
        to stop: StopRequest, hangup: (@Sendable () -> Void)? = nil
    ) async -> Task<Void, Never> {
        let signals =
            if hangup == nil { await UnixSignalsSequence(trapping: .sigint, .sigterm) } else {
                await UnixSignalsSequence(trapping: .sigint, .sigterm, .sighup)
            }
        return Task {
            for await caught in signals {
                if caught == .sighup {
                    hangup?()
                    continue
                }
                let number = caught == .sigterm ? SIGTERM : SIGINT
                if stop.isRequested { Ending.now(number) }
                // Whoever started a stage says it once for all.
                if !Lifeline.isThere {
                    Output.write("stopping: finishing what is under way; once more to stop at once\n", to: 2)
                }
                stop.request()
                Ending.within10Seconds(number)
            }
        }
    }
}
