import Glibc
import Synchronization

/// The children that run, so that they can be told to stop; and which of them failed first.
final class StageRegistry: Sendable {
    private struct State {
        var children: [(pid: pid_t, group: Int)] = []
        var groups = 0
        var stopped: Set<Int> = []
        var isStopping = false
        var isClosed = false
        var failure: StageFailure?
    }

    private let state = Mutex(State())

    /// A number for children that are stopped together.
    func group() -> Int {
        state.withLock { state in
            state.groups += 1
            return state.groups
        }
    }

    func add(_ pid: pid_t, to group: Int) {
        let isStopping = state.withLock { state in
            state.children.append((pid, group))
            return state.isStopping || state.stopped.contains(group)
        }
        if isStopping { kill(pid, SIGTERM) }
    }

    /// The child has ended; its number may become that of another process.
    func remove(_ pid: pid_t) {
        state.withLock { $0.children.removeAll { $0.pid == pid } }
    }

    /// The failure that came first and that no restart fixes; the others fail too, because of it.
    var firstFailure: StageFailure? { state.withLock { $0.failure } }

    /// Notes a failure that no restart fixes, and has everything end.
    func fail(_ failure: StageFailure) {
        state.withLock { state in
            if state.failure == nil && !state.isClosed { state.failure = failure }
        }
        stopAll()
    }

    /// Has everything end for an error outside of the stages: what they say then is not the cause.
    func abandon() {
        state.withLock { $0.isClosed = true }
        stopAll()
    }

    /// The children were told to stop, and no other should begin.
    var isStopping: Bool { state.withLock { $0.isStopping } }

    /// Asks the children of a group to finish what is under way.
    func stop(group: Int) {
        state.withLock { state in
            guard state.stopped.insert(group).inserted, !state.isStopping else { return }
            for child in state.children where child.group == group { kill(child.pid, SIGTERM) }
        }
    }

    /// Asks every child to finish what is under way.
    func stopAll() {
        state.withLock { state in
            guard !state.isStopping else { return }
            state.isStopping = true
            for child in state.children where !state.stopped.contains(child.group) { kill(child.pid, SIGTERM) }
        }
    }
}
