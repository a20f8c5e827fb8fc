import Glibc
import Synchronization

/// A child of this process: signalled without the risk of hitting another, waited for without blocking a thread.
///
/// An ended child is left unreaped until the handle goes: so its number, and that of the group it leads, cannot be
/// given to another process while someone may still want to signal them.
///
/// Waiting polls: a blocking wait inside a task would take one of the few threads on which all tasks of the process
/// run.
final class ChildProcess: Sendable {
    private struct State {
        var status: ExitStatus?
        var isReaped = false
    }

    /// The process id.
    let pid: pid_t
    private let state = Mutex(State())

    /// Starts the child.
    init(_ request: SpawnRequest) throws {
        pid = try request.spawn()
    }

    deinit {
        var status: Int32 = 0
        state.withLock { state in
            if !state.isReaped { waitpid(pid, &status, WNOHANG) }
        }
    }

    /// How the child ended, nil while it runs.
    func poll() -> ExitStatus? {
        state.withLock { state in
            if state.status == nil { state.status = look(WEXITED | WNOHANG | WNOWAIT) }
            return state.status
        }
    }

    /// Sends a signal to the child alone, unless it has ended already.
    func signal(_ number: Int32) {
        state.withLock { state in
            if !state.isReaped { _ = Glibc.kill(pid, number) }
        }
    }

    /// Kills the process group that the child leads; members may have outlived it.
    func killGroup() {
        state.withLock { state in
            if !state.isReaped { _ = Glibc.kill(-pid, SIGKILL) }
        }
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
        state.withLock { state in
            guard !state.isReaped else { return }
            _ = Glibc.kill(-pid, SIGKILL)
            state.status = look(WEXITED) ?? state.status
            state.isReaped = true
        }
    }

    private func look(_ options: Int32) -> ExitStatus? {
        var information = siginfo_t()
        var result = waitid(P_PID, id_t(pid), &information, options)
        while result < 0, errno == EINTR { result = waitid(P_PID, id_t(pid), &information, options) }
        // With WNOHANG a child that still runs leaves the structure empty.
        guard result == 0, information.si_signo == SIGCHLD else { return nil }
        let value = information._sifields._sigchld.si_status
        return information.si_code == CLD_EXITED ? ExitStatus(exitCode: value) : ExitStatus(signal: value)
    }
}
