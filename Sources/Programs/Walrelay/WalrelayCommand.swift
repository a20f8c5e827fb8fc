import ArgumentParser
import CloneCommand
import CommandSupport
import InspectCommand
import ReceiveCommand
import ReplayCommand
import TransformCommand

/// The program `walrelay`: the others are its subcommands.
struct WalrelayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "walrelay",
        abstract: "Move a live PostgreSQL database to another server.",
        discussion: """
            `walrelay clone` does a whole migration, and runs the other programs for it. Where a message or a help text \
            names one of the programs alone, such as `clone status`, put `walrelay` before it.

            EXAMPLES
              walrelay clone check --source 'host=db1 dbname=shop' --target 'host=db2 dbname=shop'
              walrelay clone --follow --source 'host=db1 dbname=shop' --target 'host=db2 dbname=shop'
              walrelay clone status --watch
              walrelay clone switchover --fence --source … --target …
              walrelay inspect list spool

            EXIT CODES
              those of the program (see docs/exit-codes.md)
            """,
        version: Program.tool,
        subcommands: [
            CloneCommand.self, ReceiveCommand.self, TransformCommand.self, ReplayCommand.self, InspectCommand.self,
        ]
    )

    /// What the first argument may be.
    static let names = configuration.subcommands.map { $0._commandName }
}
