import ArgumentParser
import CommandSupport

/// The program `inspect`: its command line, and what it does.
public struct InspectCommand: AsyncParsableCommand {
    /// What `--help` says.
    public static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Look into change segments, offline.",
        discussion: """
            EXAMPLES
              inspect list spool
              inspect verify spool
              inspect show spool --changes --from '2026-01-31 12:00' --table public.orders
              inspect grep spool --where id=4711
              inspect history spool --table public.orders --key 4711
              inspect stats spool --minutes --transactions 5
              inspect locate spool 0/1A2B3C
              lz4 -dc SEGMENT | inspect show -

            EXIT CODES
              0 done, and for verify: all sound; 1 grep, history and locate: nothing was found; 2 usage; 10 a segment \
            is missing; 13 something is damaged, missing or foreign; 14 the input, or the open segment, ends in the \
            middle; 18 file error (see docs/exit-codes.md)
            """,
        version: Program.tool,
        subcommands: [
            ListCommand.self, VerifyCommand.self, ShowCommand.self, GrepCommand.self, HistoryCommand.self,
            StatsCommand.self, CatCommand.self, LocateCommand.self,
        ]
    )

    /// For the parser.
    public init() {}
}
