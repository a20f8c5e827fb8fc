/// Why a program cannot continue.
public struct ProgramFailure: ExitStatusError, Sendable {
    /// The exit code that says it to a script.
    public let exitStatus: ExitStatus
    /// What happened and what to do next.
    public let description: String

    /// A failure with its exit code.
    public init(_ exitStatus: ExitStatus, _ description: String) {
        self.exitStatus = exitStatus
        self.description = description
    }
}
