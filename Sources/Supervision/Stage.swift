import Glibc
import Observability
import Threading

/// One of the pipeline's programs, run as a child process.
struct Stage: Sendable {
    let name: String
    let arguments: [String]
    /// What it reads and writes; closed here once the program has them.
    let input: Int32
    let output: Int32

    /// Runs the program to its end, on a thread that waits for it, and says how it exited.
    ///
    /// Connection strings travel in the environment, where other users' `ps` does not see them.
    ///
    /// - Parameter started: takes the number of the process.
    func run(
        in folder: String, environment: [String: String?], registry: StageRegistry, group: Int,
        started: @escaping @Sendable (pid_t) -> Void
    ) async throws -> StageFailure {
        do {
            return try await waitForEnd(in: folder, environment, registry, group, started)
        } catch let error as ThreadError {
            closeEnds()
            throw error
        }
    }

    private func waitForEnd(
        in folder: String, _ environment: [String: String?], _ registry: StageRegistry, _ group: Int,
        _ started: @escaping @Sendable (pid_t) -> Void
    ) async throws -> StageFailure {
        try await Worker.run(name: name) {
            let pid = try start(in: folder, environment)
            ChildProcesses.all.add(pid, isGroup: false)
            registry.add(pid, to: group)
            started(pid)
            let ending = ChildProcess.wait(for: pid) {
                registry.remove(pid)
                ChildProcesses.all.remove(pid)
            }
            return StageFailure(stage: name, code: ending.code)
        }
    }

    private func start(in folder: String, _ environment: [String: String?]) throws -> pid_t {
        defer { closeEnds() }
        let (file, words) = try ProgramFolder.command(name, in: folder)
        var child = ChildProcess(file, [file] + words + arguments)
        (child.input, child.output) = (input, output)
        child.environment = ChildProcess.environment(environment)
        do throws(ChildError) { return try child.start() } catch {
            throw ProgramFailure(.failure, "\(name) cannot be started: \(error)")
        }
    }

    private func closeEnds() {
        for end in [input, output] { close(end) }
    }
}
