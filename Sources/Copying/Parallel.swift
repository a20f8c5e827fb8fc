import Observability
import Synchronization
import Threading

/// The same work on many things, by several threads.
package enum Parallel {
    private struct State<Job> {
        var waiting: ArraySlice<Job>
        var failure: (any Error)?
    }

    /// Does all jobs, in their order as far as several threads have one. Blocks until all threads have ended.
    ///
    /// - Parameters:
    ///   - stop: asks all to end; a failure of one asks the others.
    ///   - worker: makes what one thread needs, on that thread, and returns how it does a job.
    /// - Throws: the first failure, or ``ProgramFailure`` with `incomplete` when someone asked to stop.
    package static func run<Job: Sendable>(
        _ jobs: [Job], threads: Int, name: String, stop: StopRequest,
        worker: @escaping @Sendable () throws -> (Job) throws -> Void
    ) throws {
        let state = Mutex(State(waiting: jobs[...], failure: nil))
        let shared = Shared(state)
        let started = (0..<min(threads, jobs.count)).compactMap { _ in
            Worker.start(name: name) {
                do {
                    let perform = try worker()
                    while !stop.isRequested, let job = shared.state.withLock({ $0.waiting.popFirst() }) {
                        try perform(job)
                    }
                } catch {
                    shared.state.withLock { state in
                        if state.failure == nil { state.failure = error }
                    }
                    stop.requestAfterFailure()
                }
            }
        }
        for worker in started { worker.join() }
        if let failure = shared.state.withLock({ $0.failure }) { throw failure }
        try stop.check()
        guard shared.state.withLock({ $0.waiting.isEmpty }) else {
            throw ProgramFailure(.failure, "no thread can be started for \(name); check the limits on processes")
        }
    }

    private final class Shared<Job: Sendable>: Sendable {
        let state: Mutex<State<Job>>

        init(_ state: consuming sending Mutex<State<Job>>) {
            self.state = state
        }
    }
}

extension StopRequest {
    /// - Throws: ``ProgramFailure`` with `incomplete` when someone asked to stop.
    package func check() throws {
        guard isRequested else { return }
        throw ProgramFailure(
            .incomplete,
            "stopped before the copy was complete; the same command continues with it, or starts over where it cannot")
    }
}
