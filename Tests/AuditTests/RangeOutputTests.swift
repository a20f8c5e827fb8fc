import Postgres
import Spool
import TestSupport
import Testing

/// A range of positions means the same in every output.
@Suite(.timeLimit(.minutes(5))) struct RangeOutputTests {
    /// The ways to have a range written; each prints the rows `row-N` of transactions N.
    private static let outputs = [
        "transform -q \"$LOG\" $RANGE", "transform -q --ordered \"$LOG\" $RANGE",
        "transform -q --jobs 2 \"$LOG\" $RANGE",
        "transform -q --format jsonl \"$LOG\" $RANGE", "inspect show --changes --json \"$LOG\" $RANGE",
        "inspect show \"$LOG\" $RANGE",
        "inspect cat \"$LOG\" $RANGE >\"$FOLDER/cut\" && transform -q \"$FOLDER/cut\"",
    ]

    /// Transactions 1 to 4, each with one row: `row-1` …
    private func logs() throws -> [TestLog] {
        let row = { (number: Int) in
            [Wire.relation(1, "t", ["id*"]), Wire.insert(1, [.text(Array("row-\(number)".utf8))])]
        }
        let one = try TestLog()
        try one.transactions(1...4, row)
        let many = try TestLog()
        for number in 1...4 {
            try many.transaction(number, row(number))
            if number == 2 { try many.seal() }
        }
        try many.seal()
        return [one, many]
    }

    /// The numbers of the transactions that a reader of some output has: those that it says are whole.
    private func whole(_ output: [String]) -> [Int] {
        var found: [Int] = []
        for line in output {
            if line.contains("\"unfinished\":true") || line.contains("UNFINISHED") { found.removeLast() }
            var rest = Substring(line)
            while let place = rest.firstRange(of: "row-") {
                rest = rest[place.upperBound...]
                if let number = rest.first?.wholeNumberValue { found.append(number) }
            }
        }
        return found
    }

    /// A commit record lies, for example, from 0/11F8 to 0/1200. Nil: refused.
    private static let ranges: [(from: String?, to: String?, rows: [Int]?)] = [
        (nil, nil, [1, 2, 3, 4]),
        ("0/1100", nil, [2, 3, 4]), (nil, "0/1200", [1, 2]), ("0/1100", "0/1200", [2]),
        ("0/1180", "0/1280", [2]), ("0/1100", "0/1400", [2, 3, 4]),
        // Where a commit record begins, its transaction has not ended.
        ("0/11F8", nil, [2, 3, 4]), (nil, "0/11F8", [1]), ("0/11F8", "0/1200", [2]),
        // Inside one: it ends after the position.
        (nil, "0/11FC", [1]), ("0/1100", "0/12FC", [2]), (nil, "0/13FC", [1, 2, 3]),
        ("0/11FC", nil, nil), ("0/11FC", "0/1300", nil), ("0/13FC", nil, nil),
        ("0/1400", nil, []),
    ]

    @Test(arguments: outputs) func everyOutputAgrees(_ output: String) async throws {
        for log in try logs() {
            for (from, to, rows) in Self.ranges {
                let range = (from.map { "--from \($0) " } ?? "") + (to.map { "--to \($0)" } ?? "")
                let finished = try await Program.shell(
                    "set -o pipefail; " + output,
                    environment: ["LOG": log.spool.path, "FOLDER": log.folder.path, "RANGE": range])
                guard let rows else {
                    #expect(finished.exitCode == 10, "\(range): \(finished)")
                    #expect(finished.stderr.contains("inside"), "\(range): \(finished)")
                    continue
                }
                // A slice without any record is no log.
                if !(output.contains("cat") && rows.isEmpty) {
                    #expect(finished.exitCode == 0, "\(range): \(finished)")
                }
                #expect(whole(finished.outputLines) == rows, "\(range)")
            }
        }
    }

    /// A range that ends inside a commit record takes the target to where that begins, and the next continues there.
    @Test(arguments: ["", "--ordered", "--jobs 2"]) func theRestContinuesWhereARangeEnds(_ options: String) async throws
    {
        for log in try logs() {
            let finished = try await Program.shell(
                """
                set -o pipefail; cd "$FOLDER"
                transform -q \(options) "$LOG" --to 0/11FC | tee first | sed -n 's/^-- walrelay end {"to":"\\([^"]*\\)".*/\\1/p' >end
                transform -q \(options) "$LOG" --from "$(cat end)" | cat first - | grep -o 'row-[0-9]' ; cat end
                """, environment: ["LOG": log.spool.path, "FOLDER": log.folder.path])
            #expect(finished.outputLines == ["row-1", "row-2", "row-3", "row-4", "0/11F8"], "\(finished)")
        }
    }
}
