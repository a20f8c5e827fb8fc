import ArgumentParser
import Audit
import ChangeLines
import CommandSupport
import Selection
import Spool

struct ShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show the transactions of a spool, of segments, or of standard input.",
        discussion: """
            Row values are shown: this is the data itself. A change of a table is shown with its columns; (unchanged) \
            stands for a value stored out of line that the update did not touch. A line UNFINISHED says that the \
            transaction has no end in the log: what was shown of it did not happen, or not yet.

            EXAMPLES
              inspect show spool --from 0/1A2B3C --to 0/1A9F00
              inspect show spool --changes --table 'public.order*' --from '2026-01-31 12:00' --to '2026-01-31 12:05'
            """
    )

    @Argument(
        help: "A spool's folder, segment files, or - for standard input (frames, or what lz4 -dc makes of them).",
        completion: .file())
    var paths: [String]

    @Flag(help: "Only the changes, one a line, each with its transaction and the row before and after.")
    var changes = false

    @Flag(help: "One JSON object a line.")
    var json = false

    @OptionGroup var range: RangeOptions
    @OptionGroup var selected: SelectionOptions

    func run() async throws {
        let selection = try selected.selection()
        let (paths, json, changes, range) = (self.paths, self.json, self.changes, self.range.range)
        try await Program.run { stop in
            let output = TextOutput()
            var scan = LogScan(paths, range, selection)
            if changes {
                let printer = ChangePrinter(json: json, output: output)
                try scan.run(stop, afterChunk: output.flush) { event, layouts in
                    switch event {
                    case .change(let message, let operation, let transaction, let lsn):
                        try printer.show(message, operation, transaction, lsn: lsn, layouts)
                    case .unfinished(let transaction): try printer.unfinished(transaction)
                    default: break
                    }
                }
            } else {
                let isSelective = !selection.includesAllTables || selection.operations != .all
                let printer = MessagePrinter(json: json, isSelective: isSelective, output: output)
                try scan.run(stop, afterChunk: output.flush) { try printer.show($0, $1) }
            }
            try output.flush()
        }
    }
}
