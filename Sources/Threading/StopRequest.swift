import Synchronization

/// The user's wish to end, shared by the threads of a program.
///
/// The first signal asks each stage to finish its chunk or batch; threads that wait in `poll` add ``descriptor`` to
/// their set, which stays readable from then on.
public final class StopRequest: Sendable {
    private let requested = Atomic<Bool>(false)
    private let pipe: WakePipe?

    /// No wish yet.
    public init() {
        pipe = WakePipe()
    }

    /// True once someone asked to stop.
    public var isRequested: Bool {
        requested.load(ordering: .acquiring)
    }

    /// Waits until someone asks to stop, but not longer than `deadline`. A signal from the terminal goes to every program
    /// of a pipeline: one that finds its neighbour gone may be told a moment later.
    public func isRequested(by deadline: Deadline) -> Bool {
        while !isRequested && !deadline.hasPassed {
            _ = Polling.wait(-1, descriptor, until: deadline)
        }
        return isRequested
    }

    /// Readable once someone asked to stop; -1, which `poll` ignores, if no pipe could be opened.
    public var descriptor: Int32 {
        pipe?.readDescriptor ?? -1
    }

    /// Asks all threads to stop.
    public func request() {
        requested.store(true, ordering: .releasing)
        pipe?.wake()
    }
}
