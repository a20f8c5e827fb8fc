import ArgumentParser
import Glibc
import Logging
import Observability
import Threading

/// What is the same in every program: version, entry, signals and exit codes.
public enum Program {
    /// The version of all programs.
    public static let version = "0.2.0"

    /// The version as segment headers and batch preambles carry it.
    public static let tool = "walrelay \(version)"

    /// Parses the command line, runs the command and exits with its documented code. Never returns.
    ///
    /// - Parameters:
    ///   - name: what the program is called in its messages; without it, the command's own name.
    ///   - reportsBrokenPipe: a reader of standard output that is gone is an error to report. Without it the program
    ///     just ends, as `cat` does before `head`.
    public static func main<Command: AsyncParsableCommand>(
        _ command: Command.Type, name: String? = nil, reportsBrokenPipe: Bool = true
    ) async -> Never {
        ProcessLimits.saveAddresses()
        StandardDescriptors.fill()
        let name = name ?? Command._commandName
        if reportsBrokenPipe { signal(SIGPIPE, SIG_IGN) }
        // Whoever started this may ignore the ends of children: then nobody would learn how ours ended.
        signal(SIGCHLD, SIG_DFL)
        if let group = getenv(FileAccess.variable) { _ = FileAccess.share(with: String(cString: group)) }
        do {
            try ProcessLimits.raiseFiles()
            var parsed = try Command.parseAsRoot()
            if var runnable = parsed as? any AsyncParsableCommand {
                try await runnable.run()
            } else {
                try parsed.run()
            }
            Ending.exit(.done, program: name)
        } catch let code as ExitCode {
            // Of a command that has said what it means.
            exit(code.rawValue)
        } catch {
            Ending.exit(report(error, Command.self, name), program: name)
        }
    }

    private static func report<Command: ParsableCommand>(
        _ error: any Error, _ command: Command.Type, _ name: String
    ) -> ExitStatus {
        if let status = ExitStatus(describing: error) {
            Output.error("\(error)", program: name)
            return status
        }
        let code = Command.exitCode(for: error)
        let message = Command.fullMessage(for: error)
        if code == .success {
            // --help and --version arrive as errors.
            Output.write(message + "\n", to: 1)
            return .done
        }
        if code == .validationFailure {
            Output.error(usageLine(error, command, name), program: name)
            return .usage
        }
        Output.error(message.isEmpty ? "\(error)" : message, program: name)
        return .failure
    }

    /// The parser's message on one line, and where to look.
    private static func usageLine<Command: ParsableCommand>(
        _ error: any Error, _ command: Command.Type, _ name: String
    ) -> String {
        let message = Command.message(for: error)
        let first = message.split(separator: "\n").first.map(String.init) ?? message
        return first + " (see \(name) --help)"
    }

    /// Runs `body` on a thread of its own, with the user's signals turned into a ``StopRequest``: the first asks it to
    /// finish what it is doing, the second ends the process at once.
    ///
    /// - Parameter hangup: what SIGHUP asks for; without it, it ends the process.
    public static func run<Result: Sendable>(
        hangup: (@Sendable () -> Void)? = nil, _ body: @escaping @Sendable (StopRequest) throws -> Result
    ) async throws -> Result {
        try await runAsync(hangup: hangup) { stop in
            try await Worker.run(name: "main worker") { try body(stop) }
        }
    }

    /// The same for work that does not block.
    public static func runAsync<Result: Sendable>(
        hangup: (@Sendable () -> Void)? = nil, _ body: (StopRequest) async throws -> Result
    ) async throws -> Result {
        let stop = StopRequest()
        let signals = await Signals.forward(to: stop, hangup: hangup)
        let lifeline = Lifeline.watch(stop)
        defer {
            signals.cancel()
            lifeline?.cancel()
        }
        do {
            return try await body(stop)
        } catch {
            throw stop.isOfUser ? Ending.explained(error) : error
        }
    }
}
