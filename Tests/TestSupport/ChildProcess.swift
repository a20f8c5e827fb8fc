import Glibc
import Synchronization

/// A child of this process: signalled without the risk of hitting another process, reaped without blocking a thread.
///
/// Waiting polls `waitpid(WNOHANG)`: a blocking wait inside a task would take one of the few threads on which all
/// tasks of the process run.
final class ChildProcess: Sendable {
    /// The process id; it stays reserved until the child has been reaped.
    let pid: pid_t
    private let state = Mutex<ExitStatus?>(nil)

    /// Starts the child.
    init(_ request: SpawnRequest) throws {
        pid = try request.spawn()
    }

    /// How the child ended, nil while it runs.
    func poll() -> ExitStatus? {
        state.withLock { status in
            if status == nil {
                var raw: Int32 = 0
                if waitpid(pid, &raw, WNOHANG) == pid { status = ExitStatus(raw: raw) }
            }
            return status
        }
    }

    /// Sends a signal to the child alone, unless it has ended already.
    func signal(_ number: Int32) {
        state.withLock { status in
            if status == nil { _ = Glibc.kill(pid, number) }
        }
    }

    /// Kills the process group that the child leads.
    ///
    /// Members may outlive the leader, whose number the kernel does not give to others as long as the group exists.
    func killGroup() {
        state.withLock { _ in _ = Glibc.kill(-pid, SIGKILL) }
    }

    /// Waits for the end of the child, nil when it still runs after `limit`.
    func wait(within limit: Duration) async throws -> ExitStatus? {
        let deadline = ContinuousClock.now + limit
        var pause = Duration.milliseconds(1)
        while true {
            if let status = poll() { return status }
            if ContinuousClock.now >= deadline { return nil }
            try await Task.sleep(for: pause)
            pause = min(pause * 2, .milliseconds(10))
        }
    }

    /// Kills the group and reaps the child. Blocks, but only for the moment that dying takes.
    func killAndReap() {
        killGroup()
        state.withLock { status in
            guard status == nil else { return }
            var raw: Int32 = 0
            var result = waitpid(pid, &raw, 0)
            while result < 0, errno == EINTR { result = waitpid(pid, &raw, 0) }
            status = ExitStatus(raw: raw)
        }
    }
}
