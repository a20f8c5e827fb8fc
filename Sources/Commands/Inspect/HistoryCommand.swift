import ArgumentParser
import Audit
import ChangeLines
import CommandSupport
import Observability
import Selection
import Spool

struct HistoryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "Follow one row through the log, also when its key changes.",
        discussion: """
            Each line says what the change is to the row: inserted, updated, moved (it has another key from here on), \
            arrived (it had another key before: ask for that one too), deleted, truncated, or other row (another row \
            took the key while this one has a new one; it is not followed).

            EXAMPLES
              inspect history spool --table public.orders --key 4711
              inspect history spool --table public.lines --key order_id=4711 --key line=1 --json

            EXIT CODES
              0 the row was found, 1 it was not; otherwise as for all programs (see docs/exit-codes.md)
            """
    )

    @Argument(help: "A spool's folder, segment files, or - for standard input.", completion: .file())
    var paths: [String]

    @Option(name: [.customShort("t"), .long], help: "The table: schema.table, quoted as in psql.")
    var table: String

    @Option(
        help: ArgumentHelp(
            "The key's value as the source writes it. For a key of several columns, COLUMN=VALUE for each of them.",
            valueName: "[column=]value"))
    var key: [String]

    @Flag(help: "One JSON object a line.")
    var json = false

    @OptionGroup var range: RangeOptions

    private static func part(_ text: String) -> RowHistory.KeyPart {
        guard let sign = text.firstIndex(of: "="), sign > text.startIndex else {
            return RowHistory.KeyPart(text: Array(text.utf8))
        }
        return RowHistory.KeyPart(
            column: String(text[..<sign]), text: Array(text[text.index(after: sign)...].utf8))
    }

    func run() async throws {
        var selection = Selection()
        selection.includeTables = [try TablePattern(table)]
        guard !key.isEmpty else { throw ProgramFailure(.usage, "say which row: --key VALUE") }
        let parts = key.map(HistoryCommand.part)
        let (paths, json, range, table) = (self.paths, self.json, self.range.range, self.table)
        let found = try await Program.run { [selection] stop -> Int in
            let output = TextOutput()
            let printer = ChangePrinter(json: json, output: output)
            var history = RowHistory(parts)
            var before = history
            var found = 0
            var scan = LogScan(paths, range, selection)
            do {
                try scan.run(stop, afterChunk: output.flush) { event, layouts in
                    switch event {
                    case .begin: before = history
                    case .change(let message, let operation, let transaction, let lsn):
                        guard let role = try history.role(of: message, layouts) else { return }
                        found += 1
                        try printer.show(message, operation, transaction, lsn: lsn, layouts, note: role.rawValue)
                    case .unfinished(let transaction):
                        // What did not commit did not happen to the row.
                        history = before
                        try printer.unfinished(transaction)
                    default: break
                    }
                }
            } catch let error as AuditError {
                try output.flush()
                throw ProgramFailure(.usage, error.message)
            }
            try output.flush()
            return found
        }
        guard found > 0 else { throw ProgramFailure(.failure, "the log has no change of this row of \(table)") }
    }
}
