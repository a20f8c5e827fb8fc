import Glibc
import Observability
import Subprocess
import Synchronization
import SystemPackage

/// One of the pipeline's programs, run as a child process.
struct Stage: Sendable {
    let name: String
    let arguments: [String]
    let input: FileDescriptor
    let output: FileDescriptor

    /// Runs the program to its end and says how it exited: its code, or 128 and the signal.
    ///
    /// Connection strings travel in the environment, where other users' `ps` does not see them.
    func run(in folder: FilePath, environment: [Environment.Key: String?], registry: StageRegistry) async throws
        -> Int32
    {
        var options = PlatformOptions()
        // A terminal's Ctrl-C goes to clone alone, which passes it on once.
        options.processGroupID = 0
        let result = try await Subprocess.run(
            .path(folder.appending(name)), arguments: Arguments(arguments),
            environment: .inherit.updating(environment), platformOptions: options,
            input: .fileDescriptor(input, closeAfterSpawningProcess: true),
            output: .fileDescriptor(output, closeAfterSpawningProcess: true), error: .currentStandardError
        ) { execution in
            registry.add(execution.processIdentifier.value)
        }
        switch result.terminationStatus {
        case .exited(let code): return code
        case .signaled(let signal): return 128 + signal
        }
    }
}

/// The children that run, so that all of them can be told to stop.
final class StageRegistry: Sendable {
    private struct State {
        var pids: [pid_t] = []
        var isStopping = false
        var failure: (stage: String, code: Int32)?
    }

    private let state = Mutex(State())

    func add(_ pid: pid_t) {
        let isStopping = state.withLock { state in
            state.pids.append(pid)
            return state.isStopping
        }
        if isStopping { kill(pid, SIGTERM) }
    }

    /// The child that failed first; the others fail too, because it did.
    var firstFailure: (stage: String, code: Int32)? { state.withLock { $0.failure } }

    /// Notes that a child failed.
    func noteFailure(_ stage: String, _ code: Int32) {
        state.withLock { state in
            if state.failure == nil { state.failure = (stage, code) }
        }
    }

    /// The children were told to stop, and no other should begin.
    var isStopping: Bool { state.withLock { $0.isStopping } }

    /// Asks every child to finish what is under way.
    func stopAll() {
        let pids = state.withLock { state -> [pid_t] in
            guard !state.isStopping else { return [] }
            state.isStopping = true
            return state.pids
        }
        for pid in pids { kill(pid, SIGTERM) }
    }
}
