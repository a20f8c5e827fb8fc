import Glibc
import Subprocess
import SystemPackage
import Threading

/// One of the pipeline's programs, run as a child process.
struct Stage: Sendable {
    let name: String
    let arguments: [String]
    let input: FileDescriptor
    let output: FileDescriptor

    /// Runs the program to its end and says how it exited.
    ///
    /// Connection strings travel in the environment, where other users' `ps` does not see them.
    ///
    /// - Parameter started: takes the number of the process.
    func run(
        in folder: FilePath, environment: [Environment.Key: String?], registry: StageRegistry, group: Int,
        started: @Sendable (pid_t) -> Void
    ) async throws -> StageFailure {
        var options = PlatformOptions()
        // A terminal's Ctrl-C goes to clone alone, which passes it on once.
        options.processGroupID = 0
        let (file, words) = try ProgramFolder.command(name, in: folder)
        let result = try await Subprocess.run(
            .path(file), arguments: Arguments(words + arguments),
            environment: .inherit.updating(environment), platformOptions: options,
            input: .fileDescriptor(input, closeAfterSpawningProcess: true),
            output: .fileDescriptor(output, closeAfterSpawningProcess: true), error: .currentStandardError
        ) { execution in
            let pid = execution.processIdentifier.value
            ChildProcesses.all.add(pid, isGroup: false)
            registry.add(pid, to: group)
            started(pid)
        }
        registry.remove(result.processIdentifier.value)
        ChildProcesses.all.remove(result.processIdentifier.value)
        return switch result.terminationStatus {
        case .exited(let code): StageFailure(stage: name, code: code)
        case .signaled(let signal): StageFailure(stage: name, code: 128 + signal)
        }
    }
}
