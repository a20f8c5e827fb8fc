import ArgumentParser
import Audit
import ChangeLines
import CommandSupport
import Observability
import Selection
import Spool

struct GrepCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "grep",
        abstract: "Find changes by table, operation, transaction or value.",
        discussion: """
            All that is asked must hold; what concerns values, in one row: the one before the change or the one after \
            it. Values are compared as the text that the source sent, byte for byte: 1.0 is not 1.00. What the source \
            did not send – (unchanged) values, all but the key of a deleted row – cannot be found.

            EXAMPLES
              inspect grep spool --table public.orders --where id=4711
              inspect grep spool --operation delete --regexp '@example\\.(com|org)$' --from '2026-01-31 12:00'
              inspect grep spool --xid 742 --count

            EXIT CODES
              0 something was found, 1 nothing was; otherwise as for all programs (see docs/exit-codes.md)
            """
    )

    @Argument(help: "A spool's folder, segment files, or - for standard input.", completion: .file())
    var paths: [String]

    @Option(name: .long, help: ArgumentHelp("A column with this text. Repeatable.", valueName: "column=value"))
    var `where`: [String] = []

    @Option(name: .long, help: ArgumentHelp("A column that is NULL. Repeatable.", valueName: "column"))
    var null: [String] = []

    @Option(
        name: [.customShort("e"), .long],
        help: ArgumentHelp("A POSIX extended regular expression that some value matches.", valueName: "expression"))
    var regexp: String?

    @Option(help: "Changes of the transaction with this id.")
    var xid: UInt32?

    @Flag(name: [.short, .long], help: "Say only how many changes there are.")
    var count = false

    @Flag(help: "One JSON object a line.")
    var json = false

    @OptionGroup var range: RangeOptions
    @OptionGroup var selected: SelectionOptions

    private func filter() throws -> ChangeFilter {
        var filter = ChangeFilter()
        filter.xid = xid
        filter.null = null
        filter.expression = try regexp.map { try RegularExpression($0) }
        for text in self.where {
            guard let sign = text.firstIndex(of: "="), sign > text.startIndex else {
                throw ProgramFailure(.usage, "--where takes COLUMN=VALUE; NULL is found with --null COLUMN")
            }
            filter.equal.append((String(text[..<sign]), Array(text[text.index(after: sign)...].utf8)))
        }
        return filter
    }

    func run() async throws {
        let (selection, filter) = (try selected.selection(), try self.filter())
        let (paths, json, count, range) = (self.paths, self.json, self.count, self.range.range)
        let found = try await Program.run { stop -> Int in
            let output = TextOutput()
            let printer = ChangePrinter(json: json, output: output)
            var found = 0
            // A transaction without an end counts nothing.
            var pending = 0
            var scan = LogScan(paths, range, selection)
            try scan.run(stop, afterChunk: output.flush) { event, layouts in
                switch event {
                case .begin: pending = 0
                case .change(let message, let operation, let transaction, let lsn):
                    guard filter.matches(message, transaction, layouts) else { return }
                    pending += 1
                    if !count { try printer.show(message, operation, transaction, lsn: lsn, layouts) }
                case .commit:
                    found += pending
                    pending = 0
                case .unfinished(let transaction):
                    pending = 0
                    if !count { try printer.unfinished(transaction) }
                default: break
                }
            }
            if count { try output.write(json ? "{\"count\":\(found)}\n" : "\(found)\n") }
            try output.flush()
            return found
        }
        guard found > 0 else { throw ProgramFailure(.failure, "nothing in the log matches") }
    }
}
