import ArgumentParser
import CommandSupport
import Logging
import Migration
import Postgres
import Threading

/// The end of a migration: everything of the source is on the target.
struct SwitchoverCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "switchover", abstract: "Bring the target to where the source is, and its sequences too.",
        discussion: """
            Stop the application first, so that nothing writes to the source. A clone that follows is stopped; then \
            everything up to the source's present position is applied and verified, and the sequences are set. Slot and \
            origin stay until clone cleanup.

            EXAMPLES
              clone switchover --source 'host=db1 dbname=shop' --target 'host=db2 dbname=shop'
              clone switchover --fence && clone compare && clone cleanup
            """)

    @OptionGroup
    var servers: CloneArguments

    @Flag(
        help: "Make the source's database read-only first, and end its other sessions; undone if the switchover fails.")
    var fence = false

    func run() async throws {
        let logger = servers.log.logger("clone")
        var options = try servers.options()
        options.fences = fence
        let end = try await Program.runAsync { [options] stop in
            try await Switchover(options, logger: logger).run(stop)
        }
        if fence {
            let database = options.source.parameters["dbname"] ?? "…"
            Output.line("The source is read-only. To go back to it: \(SourceFence.undo(database))")
        }
        Output.line(
            """
            The target has everything up to \(end), and its sequences stand where the source's do.
            Next: let the application use \(options.target.redacted)
            Then: clone cleanup --dir \(options.spool) … drops the slot, which keeps WAL on the source until then.
            """)
    }
}
