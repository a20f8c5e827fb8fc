import Batches
import Postgres

/// Batch text written by hand, so that it may also be what transform never writes.
struct BatchText {
    private(set) var text = ""
    private let origin: String

    /// Batches that go on behind others: without a preamble.
    init() { origin = "" }

    init(origin: String, system: String = "7", from: Int = 100) {
        self.origin = origin
        preamble(system: system, from: from)
    }

    static func lsn(_ position: Int) -> LSN { LSN(rawValue: UInt64(position)) }

    mutating func preamble(system: String = "7", from: Int = 100) {
        text += """
            -- walrelay preamble {"format":1,"origin":"\(origin)","encoding":"UTF8","system_identifier":"\(system)",\
            "timeline":1,"database":"app","slot":"s","server_version":150000,"from":"\(Self.lsn(from))","tool":"test"}
            -- walrelay preamble end

            """
    }

    /// A whole batch.
    mutating func batch(_ from: Int, _ to: Int, _ lines: String...) {
        begin(from, to)
        lines.forEach { line($0) }
        commit(to)
    }

    /// A batch whose end is not known at its beginning.
    mutating func streamed(_ from: Int, commit: Int, to: Int, _ lines: String...) {
        text += """
            -- walrelay batch {"from":"\(Self.lsn(from))","to":null,"commit":"\(Self.lsn(commit))","transactions":1}
            BEGIN;

            """
        lines.forEach { line($0) }
        progress(to)
        self.commit(to)
    }

    mutating func begin(_ from: Int, _ to: Int, transactions: Int = 1) {
        text += """
            -- walrelay batch {"from":"\(Self.lsn(from))","to":"\(Self.lsn(to))","transactions":\(transactions),\
            "changes":\(transactions)}
            BEGIN;

            """
        progress(to)
    }

    mutating func line(_ line: String) { text += line + "\n" }

    mutating func commit(_ to: Int) {
        text += "COMMIT;\n-- walrelay commit {\"to\":\"\(Self.lsn(to))\"}\n"
    }

    mutating func rollback() { text += "ROLLBACK;\n-- walrelay rollback {}\n" }

    mutating func end(_ to: Int) { text += "-- walrelay end {\"to\":\"\(Self.lsn(to))\",\"reason\":\"test\"}\n" }

    private mutating func progress(_ to: Int) {
        text += "SELECT pg_catalog.pg_replication_origin_xact_setup('\(Self.lsn(to))', '2024-01-01 00:00:00+00');\n"
    }
}
