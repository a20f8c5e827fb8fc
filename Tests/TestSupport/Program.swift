import Glibc

/// Runs the executables of this package, other programs and pipelines of them.
///
///     let finished = try await Program.run("inspect", ["--help"])
///     #expect(finished.exitCode == 0)
///
/// Names are looked up beside the running tests; an absolute path means any program. All programs die with the test
/// process. None of these functions blocks a thread.
public enum Program {
    /// Runs a program to its end; it is killed with its whole process group when it takes longer than `timeout`.
    ///
    /// - Parameter environment: added to the environment of the test process, which never carries libpq's variables.
    /// - Throws: ``ProgramError/timedOut(_:after:stdout:stderr:)`` with what it had written. An exit code other than 0
    ///   is no error.
    public static func run(
        _ name: String,
        _ arguments: [String] = [],
        stdin: Stdin = .none,
        environment: [String: String] = [:],
        timeout: Duration = .seconds(180)
    ) async throws -> Finished {
        let program = try start(name, arguments, stdin: stdin, environment: environment)
        defer { program.end() }
        return try await program.wait(within: timeout)
    }

    /// Starts a program in the background. It is killed when the last reference to it goes.
    public static func start(
        _ name: String,
        _ arguments: [String] = [],
        stdin: Stdin = .none,
        environment: [String: String] = [:]
    ) throws -> RunningProgram {
        try RunningProgram(
            path: BuiltPrograms.path(of: name),
            arguments: arguments,
            stdin: stdin,
            environment: environment
        )
    }

    /// Runs a bash script with `pipefail`, in which the executables of this package are on the PATH.
    ///
    ///     try await Program.shell("receive --once | transform | replay --target '\(target)'").checked()
    public static func shell(
        _ script: String,
        stdin: Stdin = .none,
        environment: [String: String] = [:],
        timeout: Duration = .seconds(180)
    ) async throws -> Finished {
        let program = try startShell(script, stdin: stdin, environment: environment)
        defer { program.end() }
        return try await program.wait(within: timeout)
    }

    /// Starts a bash script in the background, see ``shell(_:stdin:environment:timeout:)``.
    ///
    /// Signals go to bash alone, ``RunningProgram/killGroup()`` kills all members of the pipeline.
    public static func startShell(
        _ script: String,
        stdin: Stdin = .none,
        environment: [String: String] = [:]
    ) throws -> RunningProgram {
        let inherited = environment["PATH"] ?? Inherited.environment["PATH"] ?? "/usr/bin:/bin"
        var environment = environment
        environment["PATH"] = (BuiltPrograms.folders + [inherited]).joined(separator: ":")
        return try start(
            "/bin/bash",
            ["-c", "set -o pipefail\n" + script],
            stdin: stdin,
            environment: environment
        )
    }

    /// The path of an executable of this package.
    public static func path(of name: String) throws -> String {
        try BuiltPrograms.path(of: name)
    }
}
