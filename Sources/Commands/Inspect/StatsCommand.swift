import ArgumentParser
import Audit
import CommandSupport
import Observability
import Postgres
import Spool

struct StatsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats",
        abstract: "Count changes by table and operation, by minute, and name large and long transactions.",
        discussion: """
            Without --minutes and --transactions, a sealed segment that lies wholly in the range is counted by its \
            footer, without reading it. How long a transaction took is counted from the last commit before its first \
            change, so it is an upper bound.

            EXAMPLES
              inspect stats spool
              inspect stats spool --minutes --transactions 10 --from '2026-01-31 12:00' --json
            """
    )

    @Argument(help: "A spool's folder, segment files, or - for standard input.", completion: .file())
    var paths: [String]

    @Flag(help: "Count by minute too.")
    var minutes = false

    @Option(help: ArgumentHelp("Name so many of the largest and of the longest transactions.", valueName: "n"))
    var transactions = 0

    @Flag(help: "One JSON object a line.")
    var json = false

    @OptionGroup var range: RangeOptions
    @OptionGroup var selected: SelectionOptions

    func validate() throws {
        guard (0...1000).contains(transactions) else { throw ValidationError("--transactions takes 0 to 1000") }
    }

    func run() async throws {
        let selection = try selected.selection()
        let (paths, json, range) = (self.paths, self.json, self.range.range)
        let (minutes, limit) = (self.minutes, self.transactions)
        try await Program.run { stop in
            let counters = Counters(LogStatistics(selection: selection, limit: limit, countsMinutes: minutes))
            var scan = LogScan(paths, range, selection)
            scan.showsValues = false
            let mayHold = scan.needs
            scan.needs = { footer in
                guard mayHold(footer) else { return false }
                return !(range.containsAll(of: footer) && counters.statistics.take(footer))
            }
            try scan.run(stop) { counters.statistics.take($0, $1) }
            let report = StatsReport(counters.statistics, segmentsRead: scan.segmentsRead)
            json ? report.printJSON() : report.printText()
        }
    }
}

/// The counters where both the reader's question and the walk reach them.
private final class Counters {
    var statistics: LogStatistics

    init(_ statistics: LogStatistics) {
        self.statistics = statistics
    }
}
