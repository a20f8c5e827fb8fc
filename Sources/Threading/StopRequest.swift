import Synchronization

/// The user's wish to end, shared by the threads of a program.
///
/// The first signal asks each stage to finish its chunk or batch; threads that wait in `poll` add ``descriptor`` to
/// their set, which stays readable from then on.
public final class StopRequest: Sendable {
    private let requested = Atomic<Bool>(false)
    private let failed = Atomic<Bool>(false)
    private let pipe: WakePipe?
    private let waiting = Mutex(Waiting())

    private struct Waiting {
        var tasks: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var last: UInt64 = 0
    }

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

    /// Returns once someone asks to stop, or when the task is cancelled. It takes no thread, and wakes up for nothing else.
    public func awaitRequest() async {
        let number = waiting.withLock { waiting in
            waiting.last += 1
            return waiting.last
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = waiting.withLock { waiting in
                    // Whoever asks, or cancels, does it before that under the same lock, or finds it there.
                    if isRequested || Task.isCancelled { return true }
                    waiting.tasks[number] = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            waiting.withLock { $0.tasks.removeValue(forKey: number) }?.resume()
        }
    }

    /// Readable once someone asked to stop; -1, which `poll` ignores, if no pipe could be opened.
    public var descriptor: Int32 {
        pipe?.readDescriptor ?? -1
    }

    /// The user has asked, and not a thread whose work has failed.
    public var isOfUser: Bool { isRequested && !failed.load(ordering: .acquiring) }

    /// Asks all threads to stop, because the work of one has failed.
    public func requestAfterFailure() {
        if !isRequested { failed.store(true, ordering: .releasing) }
        request()
    }

    /// Asks all threads to stop.
    public func request() {
        requested.store(true, ordering: .releasing)
        pipe?.wake()
        let tasks = waiting.withLock { waiting in
            defer { waiting.tasks = [:] }
            return waiting.tasks
        }
        for task in tasks.values { task.resume() }
    }
}
