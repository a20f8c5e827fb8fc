import Audit
import ChangeLines
import CommandSupport
import Observability
import PgOutput
import Postgres
import Spool

/// Shows counters.
struct StatsReport {
    private let statistics: LogStatistics
    private let segmentsRead: Int
    private let tables: [(name: String, counts: LogStatistics.Counts)]
    private let minutes: [(time: String, minute: LogStatistics.Minute)]

    init(_ statistics: LogStatistics, segmentsRead: Int) {
        self.statistics = statistics
        self.segmentsRead = segmentsRead
        tables = statistics.tables.sorted { ($1.value.total, $0.key) < ($0.value.total, $1.key) }
            .map { ($0.key, $0.value) }
        minutes = statistics.minutes.sorted { $0.key < $1.key }
            .map { (String(Timestamp(rawValue: $0.key * 60_000_000).description.prefix(16)), $0.value) }
    }

    private var total: LogStatistics.Counts {
        tables.reduce(into: LogStatistics.Counts()) { $0.add($1.counts) }
    }

    func printText() {
        Table.print(
            ["table", "inserts", "updates", "deletes", "truncates"],
            tables.map { [RowText.word($0.name)] + cells($0.counts) } + [["total"] + cells(total)],
            alignedRight: [1, 2, 3, 4])
        if !minutes.isEmpty {
            Output.line("")
            Table.print(
                ["minute (UTC)", "txns", "inserts", "updates", "deletes", "truncates", "bytes"],
                minutes.map {
                    [$0.time, String($0.minute.transactions)] + cells($0.minute.counts) + ["\($0.minute.bytes)"]
                },
                alignedRight: [1, 2, 3, 4, 5, 6])
        }
        print("largest", statistics.largest)
        print("longest", statistics.longest)
        Output.line("")
        let transactions = statistics.transactions.map { "\($0) transactions; " } ?? ""
        Output.line(
            "\(transactions)\(statistics.segmentsByFooter) segments by their footers, \(segmentsRead) read")
    }

    private func cells(_ counts: LogStatistics.Counts) -> [String] {
        [counts.insert, counts.update, counts.delete, counts.truncate].map { String($0) }
    }

    private func print(_ what: String, _ list: [LogStatistics.Outstanding]) {
        guard !list.isEmpty else { return }
        Output.line("")
        Table.print(
            ["\(what) transactions", "xid", "committed", "changes", "bytes", "seconds"],
            list.map {
                let begin = $0.transaction.begin
                return [
                    "\(begin.finalLSN)–\($0.end)", "\(begin.xid)", begin.commitTime.description,
                    "\($0.transaction.changes)", "\($0.transaction.bytes)", StatsReport.seconds($0.duration) ?? "?",
                ]
            }, alignedRight: [1, 3, 4, 5])
    }

    /// Microseconds as seconds, to the millisecond above.
    private static func seconds(_ duration: Int64?) -> String? {
        guard let duration else { return nil }
        let milliseconds = (duration + 999) / 1000
        let rest = String(milliseconds % 1000)
        return "\(milliseconds / 1000)." + String(repeating: "0", count: 3 - rest.count) + rest
    }

    func printJSON() {
        for (name, counts) in tables {
            Output.line("{\"kind\":\"table\",\"table\":\(JSONText.string(name)),\(members(counts))}")
        }
        for (time, minute) in minutes {
            Output.line(
                "{\"kind\":\"minute\",\"minute\":\"\(time)\",\"transactions\":\(minute.transactions),"
                    + "\(members(minute.counts)),\"bytes\":\(minute.bytes)}")
        }
        for (what, list) in [("largest", statistics.largest), ("longest", statistics.longest)] {
            for it in list {
                let begin = it.transaction.begin
                let seconds = StatsReport.seconds(it.duration).map { ",\"seconds\":\($0)" } ?? ""
                Output.line(
                    "{\"kind\":\"\(what)\",\"transaction\":\"\(begin.finalLSN)\",\"end\":\"\(it.end)\","
                        + "\"xid\":\(begin.xid),\"time\":\"\(begin.commitTime)\","
                        + "\"changes\":\(it.transaction.changes),\"bytes\":\(it.transaction.bytes)\(seconds)}")
            }
        }
        let transactions = statistics.transactions.map { "\"transactions\":\($0)," } ?? ""
        Output.line(
            "{\"kind\":\"total\",\(transactions)\(members(total)),"
                + "\"segments_by_footer\":\(statistics.segmentsByFooter),\"segments_read\":\(segmentsRead)}")
    }

    private func members(_ counts: LogStatistics.Counts) -> String {
        "\"insert\":\(counts.insert),\"update\":\(counts.update),\"delete\":\(counts.delete),"
            + "\"truncate\":\(counts.truncate)"
    }
}
