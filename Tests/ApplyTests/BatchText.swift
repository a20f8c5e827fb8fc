import Batches
import Postgres

/// Batch text written by hand, so that it may also be what transform never writes.
struct BatchText {
    private(set) var text = ""
    private let stream: String
    private let logID: String?

    /// Batches that continue behind others: without a preamble.
    init() { (stream, logID) = ("", nil) }

    init(
        stream: String, system: String = "7", from: Int = 100, logID: String? = nil, timeline: Int = 1,
        fork: Int? = nil
    ) {
        self.stream = stream
        self.logID = logID
        preamble(system: system, from: from, timeline: timeline, fork: fork)
    }

    static func lsn(_ position: Int) -> LSN { LSN(rawValue: UInt64(position)) }

    /// - Parameter fork: where the timeline before this one ended.
    mutating func preamble(system: String = "7", from: Int = 100, timeline: Int = 1, fork: Int? = nil) {
        let log = logID.map { "\"log_id\":\"\($0)\"," } ?? ""
        let history =
            fork.map { "\"history\":[{\"timeline\":\(timeline - 1),\"end\":\"\(Self.lsn($0))\"}]," } ?? ""
        text += """
            -- walrelay preamble {"format":2,"stream":"\(stream)","encoding":"UTF8","system_identifier":"\(system)",\
            "timeline":\(timeline),\(history)\(log)"database":"app","slot":"s","server_version":150000,\
            "from":"\(Self.lsn(from))","tool":"test"}
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
            WITH held AS (SELECT FROM "walrelay"."progress" …

            """
        lines.forEach { line($0) }
        line(Self.move)
        self.commit(to)
    }

    mutating func begin(_ from: Int, _ to: Int, transactions: Int = 1) {
        text += """
            -- walrelay batch {"from":"\(Self.lsn(from))","to":"\(Self.lsn(to))","transactions":\(transactions),\
            "changes":\(transactions)}
            BEGIN;
            \(Self.move)

            """
    }

    /// Replay does not run it, and so does not read the rest.
    static let move = "WITH moved AS (UPDATE \"walrelay\".\"progress\" SET …"

    mutating func line(_ line: String) { text += line + "\n" }

    mutating func commit(_ to: Int) {
        text += "COMMIT;\n-- walrelay commit {\"to\":\"\(Self.lsn(to))\"}\n"
    }

    mutating func rollback() { text += "ROLLBACK;\n-- walrelay rollback {}\n" }

    mutating func end(_ to: Int) { text += "-- walrelay end {\"to\":\"\(Self.lsn(to))\",\"reason\":\"test\"}\n" }
}
