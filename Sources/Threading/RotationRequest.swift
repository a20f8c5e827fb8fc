import Synchronization

/// The user's wish to have the open segment sealed now, as SIGHUP says it.
public final class RotationRequest: Sendable {
    private let requested = Atomic<Bool>(false)
    private let waiting = Mutex<WakePipe?>(nil)

    /// No wish yet.
    public init() {}

    /// Asks for it, and wakes whoever is to do it.
    public func request() {
        requested.store(true, ordering: .releasing)
        waiting.withLock { $0?.wake() }
    }

    /// True once for each wish.
    public func take() -> Bool {
        requested.load(ordering: .relaxed) && requested.exchange(false, ordering: .acquiring)
    }

    /// Names the pipe to wake.
    public func wakes(_ pipe: WakePipe?) {
        waiting.withLock { $0 = pipe }
    }
}
