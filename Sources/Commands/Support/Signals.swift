import Glibc
import Threading
import UnixSignals

/// SIGINT and SIGTERM.
enum Signals {
    /// Turns the first signal into a stop request; the second ends the process, as if it had not been caught.
    static func forward(to stop: StopRequest) async -> Task<Void, Never> {
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        return Task {
            for await caught in signals {
                if stop.isRequested {
                    Glibc._exit(128 + (caught == .sigterm ? SIGTERM : SIGINT))
                }
                Output.write("stopping: finishing what is under way; once more to stop at once\n", to: 2)
                stop.request()
            }
        }
    }
}
