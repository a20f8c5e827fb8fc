import ArgumentParser
import Capture
import CommandSupport
import Migration
import Postgres
import Spool

/// The options that every subcommand on both servers has.
struct CloneArguments: ParsableArguments {
    @Option(help: ArgumentHelp("The source server, as libpq takes it.", valueName: "conninfo"))
    var source: String?

    @Option(help: ArgumentHelp("The target server, as libpq takes it.", valueName: "conninfo"))
    var target: String?

    @OptionGroup
    var sourcePassword: SourcePassword

    @OptionGroup
    var targetPassword: TargetPassword

    @Option(help: ArgumentHelp("The spool's folder: log and journal.", valueName: "folder"), completion: .directory)
    var dir = "spool"

    @Option(
        help: ArgumentHelp(
            "The logical replication slot. (default: that of the migration in --dir, or walrelay)", valueName: "name"))
    var slotName: String?

    @Option(
        help: ArgumentHelp(
            "The name of the target's position. (default: that of the migration in --dir, or walrelay)",
            valueName: "name"))
    var origin: String?

    @OptionGroup
    var access: SpoolAccess

    @OptionGroup(title: "Logging")
    var log: LogOptions

    /// The options of the direction in which the migration in the folder goes now: after a switchover that keeps a way back,
    /// source and target are exchanged.
    func options() throws -> CloneOptions {
        var options = CloneOptions(
            source: try ConnectionArgument.resolve(
                source, passwordCommand: sourcePassword.sourcePasswordCommand, option: "--source",
                variable: "WALRELAY_SOURCE"),
            target: try ConnectionArgument.resolve(
                target, passwordCommand: targetPassword.targetPasswordCommand, option: "--target",
                variable: "WALRELAY_TARGET"),
            spool: dir, tool: Program.tool)
        let journal = slotName != nil && origin != nil ? nil : try CloneJournal.read(SpoolDirectory(dir))
        options.slot = slotName ?? journal?.slot ?? "walrelay"
        options.stream = origin ?? journal?.stream ?? "walrelay"
        return try options.inPresentDirection()
    }
}

extension EndPosition {
    /// The position as an option of receive; nil for none.
    var argument: String? {
        switch self {
        case .none, .idle: nil
        case .at(let position): position.description
        case .current: "current"
        }
    }
}
