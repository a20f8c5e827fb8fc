import ArgumentParser

/// The option of every program that connects to the source.
public struct SourcePassword: ParsableArguments {
    /// The command; nil for none.
    @Option(
        help: ArgumentHelp(
            "A shell command that prints the source's password, run for new sessions: for tokens that expire.",
            valueName: "command"))
    public var sourcePasswordCommand: String?

    /// No command.
    public init() {}
}

/// The option of every program that connects to the target.
public struct TargetPassword: ParsableArguments {
    /// The command; nil for none.
    @Option(
        help: ArgumentHelp(
            "A shell command that prints the target's password, run for new sessions: for tokens that expire.",
            valueName: "command"))
    public var targetPasswordCommand: String?

    /// No command.
    public init() {}
}
