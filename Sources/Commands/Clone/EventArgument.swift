import ArgumentParser

/// The program that is told of events.
struct EventArgument: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A shell command that is run at each event, with WALRELAY_EVENT in its environment and the facts as JSON on its "
                + "standard input (docs/monitoring.md, \"Events\").", valueName: "command"))
    var onEvent: String?
}
