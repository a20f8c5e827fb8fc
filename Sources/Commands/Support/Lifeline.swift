import Glibc
import Threading

/// Ends a stage whose parent is gone.
///
/// `clone` names itself in WALRELAY_PARENT_PID. The kernel's own death signal follows the parent's thread rather than
/// its process, so it cannot be used from a pool of threads; an orphan sees that its parent has changed instead.
enum Lifeline {
    /// Watches the parent if there is one to watch.
    static func watch(_ stop: StopRequest) -> Task<Void, Never>? {
        guard let text = getenv("WALRELAY_PARENT_PID"), let parent = pid_t(String(cString: text)) else { return nil }
        return Task {
            while !Task.isCancelled {
                if getppid() != parent {
                    // Asked already: the parent was ended by a second signal.
                    if stop.isRequested { Ending.now(SIGTERM) }
                    stop.request()
                    Ending.within10Seconds(SIGTERM)
                    return
                }
                // Each look is a wake-up of a machine that may be idle.
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }
}
