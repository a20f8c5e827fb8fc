import Glibc

/// A program in the background, with its output in files.
///
/// It is killed, with its process group, when the last reference goes, and when the test process ends.
public final class RunningProgram: Sendable {
    /// Name of the executable.
    public let name: String
    /// Holds the outputs, free for other files that shall go with the program.
    public let folder: TemporaryFolder
    private let child: ChildProcess

    init(path: String, arguments: [String], stdin: Stdin, environment: [String: String]) throws {
        let folder = try TemporaryFolder("program")
        var request = SpawnRequest(executable: path, arguments: arguments)
        request.environment = Inherited.environment.merging(environment) { $1 }
        request.environment[Housekeeper.mark] = try Housekeeper.shared.get().token
        request.output = folder.path("stdout")
        request.errorOutput = folder.path("stderr")
        switch stdin {
        case .none: break
        case .bytes(let bytes): request.input = .file(try folder.write("stdin", bytes))
        case .text(let text): request.input = .file(try folder.write("stdin", text))
        case .file(let path): request.input = .file(path)
        }
        name = path.split(separator: "/").last.map(String.init) ?? path
        self.folder = folder
        child = try ChildProcess(request)
    }

    deinit { end() }

    /// The process id.
    public var pid: Int32 { child.pid }
    /// Whether it has not ended yet.
    public var isRunning: Bool { child.poll() == nil }
    /// What it has written to its standard output so far.
    public var stdout: [UInt8] { (try? folder.read("stdout")) ?? [] }
    /// What it has written to its standard output so far, as text.
    public var output: String { String(decoding: stdout, as: UTF8.self) }
    /// What it has written to its standard error so far.
    public var stderr: String { readText(folder.path("stderr")) }

    /// Sends a signal to the program alone; nothing happens when it has ended.
    public func signal(_ number: Int32) { child.signal(number) }

    /// Kills the program alone (SIGKILL); its children live on.
    public func kill() { child.signal(SIGKILL) }

    /// Kills the program and all its children in its process group (SIGKILL).
    public func killGroup() { child.killGroup() }

    /// Waits for its end.
    ///
    /// - Throws: ``ProgramError/timedOut(_:after:stdout:stderr:)``; the program continues.
    public func wait(within limit: Duration = .seconds(180)) async throws -> Finished {
        guard let status = try await child.wait(within: limit) else {
            throw ProgramError.timedOut(name, after: limit, stdout: stdout, stderr: stderr)
        }
        return Finished(status: status, stdout: stdout, stderr: stderr)
    }

    /// Waits until the standard error contains a text.
    ///
    /// - Throws: ``ProgramError/logMissing(text:reason:stderr:)`` if it does not in time or the program ends without.
    public func awaitLog(containing text: String, within limit: Duration = .seconds(120)) async throws {
        let deadline = ContinuousClock.now + limit
        while true {
            // The order matters: what an ended program has written is complete.
            let ended = child.poll()
            let log = stderr
            if log.contains(text) { return }
            if let ended { throw ProgramError.logMissing(text: text, reason: "\(name) ended by \(ended)", stderr: log) }
            if ContinuousClock.now >= deadline {
                throw ProgramError.logMissing(text: text, reason: "\(name) ran for \(limit)", stderr: log)
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// Kills the group and reaps the program.
    func end() { child.killAndReap() }
}
