import Synchronization
import Threading

/// A counter that several threads reach.
final class Shared: Sendable {
    let value = Atomic<Int>(0)
}

/// Blocks the calling thread.
func pause(milliseconds: Int) {
    _ = Polling.wait(-1, until: .after(milliseconds: milliseconds))
}
