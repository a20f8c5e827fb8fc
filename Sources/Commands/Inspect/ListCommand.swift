import ArgumentParser
import CommandSupport
import Postgres
import Spool

struct ListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the segments of a spool with what each holds.")

    @Argument(help: "The spool's folder.", completion: .directory)
    var spool = "spool"

    @Flag(help: "One JSON object a segment.")
    var json = false

    func run() async throws {
        let spool = SpoolDirectory(self.spool)
        let json = self.json
        try await Program.run { _ in
            let rows = try spool.existingSegments().map { try Row($0, in: spool) }
            if json {
                rows.forEach { Output.line(JSON.text($0)) }
            } else {
                Table.print(
                    ["segment", "state", "end", "first commit", "last commit", "txns", "changes", "bytes", "ratio"],
                    rows.map(\.cells), alignedRight: [5, 6, 7, 8])
            }
        }
    }

    private struct Row: Encodable {
        var segment: String
        var state: String
        var start: LSN
        var end: LSN?
        var firstCommit: SegmentFooter.Mark?
        var lastCommit: SegmentFooter.Mark?
        var transactions: Int?
        var changes: Int?
        var bytes: UInt64
        var rawBytes: UInt64?

        enum CodingKeys: String, CodingKey {
            case segment, state, start, end, transactions, changes, bytes
            case firstCommit = "first_commit"
            case lastCommit = "last_commit"
            case rawBytes = "raw_bytes"
        }

        init(_ name: SegmentName, in spool: SpoolDirectory) throws {
            let summary = try spool.summary(of: name)
            segment = name.fileName
            state = name.isPartial ? "open" : "sealed"
            start = summary.header.start
            end = summary.footer?.end
            firstCommit = summary.footer?.firstCommit
            lastCommit = summary.footer?.lastCommit
            transactions = summary.footer?.transactions
            changes = summary.footer?.changes
            bytes = summary.size
            rawBytes = summary.footer?.rawBytes
        }

        var cells: [String] {
            let ratio = rawBytes.map { Double($0) / Double(max(1, bytes)) }
            let tenths = ratio.map { Int(($0 * 10).rounded()) }
            return [
                segment, state, end?.description ?? "…", short(firstCommit), short(lastCommit),
                transactions.map(String.init) ?? "…", changes.map(String.init) ?? "…", String(bytes),
                tenths.map { "\($0 / 10).\($0 % 10)" } ?? "…",
            ]
        }

        private func short(_ mark: SegmentFooter.Mark?) -> String {
            mark.map { String($0.time.prefix(19)) } ?? "–"
        }
    }
}
