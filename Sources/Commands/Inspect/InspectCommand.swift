import ArgumentParser
import CommandSupport

@main
enum Main {
    static func main() async {
        await Program.main(InspectCommand.self, reportsBrokenPipe: false)
    }
}

struct InspectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Look into change segments, offline.",
        discussion: """
            EXAMPLES
              inspect list spool
              inspect verify spool
              inspect show spool/segments/00000001-0000000001A2B3C0.seg.lz4
              lz4 -dc SEGMENT | inspect show -

            EXIT CODES
              0 done, and for verify: all sound; 2 usage; 13 something is damaged, missing or foreign; \
            14 the input, or the open segment, ends in the middle; 18 file error (see docs/exit-codes.md)
            """,
        version: Program.tool,
        subcommands: [ListCommand.self, ShowCommand.self, VerifyCommand.self]
    )
}
