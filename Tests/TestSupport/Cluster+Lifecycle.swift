import Glibc

extension Cluster {
    /// Stops the server and waits until it has; does nothing when it does not run.
    public func stop(mode: ServerStopMode = .fast) async throws {
        guard serverPID != nil else { return }
        guard try await supervisor.perform("stop \(mode.rawValue)", within: .seconds(90)) == 0 else {
            throw Self.failure(name, "stop it", "pg_ctl stop -m \(mode.rawValue) failed", supervisor)
        }
    }

    /// Starts the server that was stopped or killed, on the same port and with the same settings.
    public func startAgain() async throws {
        guard try await supervisor.perform("start", within: .seconds(90)) == 0 else {
            throw Self.failure(name, "start it again", "it ended, or was not ready in time", supervisor)
        }
    }

    /// Stops and starts the server.
    public func restart(mode: ServerStopMode = .fast) async throws {
        try await stop(mode: mode)
        try await startAgain()
    }

    /// Kills the postmaster (SIGKILL), as a crash of the machine would, and waits until no process of the server is
    /// left. ``startAgain()`` then recovers.
    ///
    /// Transactions of the last moments may be lost unless the cluster was started with `fsync=on`: the kernel keeps
    /// what was written, so here in effect only those with `synchronous_commit=off`.
    public func killServer() async throws {
        guard let pid = serverPID else { return }
        kill(pid, SIGKILL)
        // The other processes notice the death of the postmaster; a busy one late, so that it gets some help.
        let start = ContinuousClock.now
        while ContinuousClock.now < start + .seconds(20) {
            let left = ServerProcesses.running(in: dataFolder)
            if left.isEmpty {
                _ = try await supervisor.perform("reap", within: .seconds(10))
                return
            }
            if ContinuousClock.now > start + .seconds(3) { left.forEach { kill($0, SIGKILL) } }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw Self.failure(name, "kill it", "processes are left", supervisor)
    }

    /// Stops the server at once and removes its folder; returns when nothing is left. The cluster is of no use then.
    public func remove() async throws {
        guard try await supervisor.finish(within: .seconds(30)) else {
            throw Self.failure(name, "remove it", "the supervisor is still at it", supervisor)
        }
    }
}
