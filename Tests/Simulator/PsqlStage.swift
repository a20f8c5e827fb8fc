import Batches
import Postgres

/// `transform spool --from "$(replay --position)" | psql -v ON_ERROR_STOP=1`: each statement as it comes, preamble and
/// all, until the first error.
struct PsqlStage {
    let history: History
    private var target: TargetModel { history.target }

    init(_ history: History) {
        self.history = history
    }

    /// True at the end line.
    func run() throws -> Bool {
        target.connect()
        let position = try target.durablePosition()
        let stage = try TransformStage(history.spool, history.renderOptions(from: position))
        history.readers = stage
        defer { history.readers = nil }
        var lines = LineSource(PipeSource(stage: stage, history: history))
        var isPreamble = false
        while let line = try lines.next() {
            if line.starts(with: "--".utf8) {
                if line.starts(with: "-- walrelay end ".utf8) { return true }
                if line.starts(with: "-- walrelay preamble ".utf8) {
                    isPreamble = line.last == UInt8(ascii: "}")
                    if !isPreamble { target.flush() }
                }
                continue
            }
            try history.tick()
            history.tell("psql: \(String(decoding: line, as: UTF8.self))")
            let parsed = try StatementLine(line)
            if isPreamble {
                try preamble(parsed.statement)
            } else {
                try perform(parsed, &lines)
            }
        }
        throw HistoryFailure("the text ends without an end line")
    }

    private func perform(_ line: StatementLine, _ lines: inout LineSource) throws {
        if line.statement == Array("COMMIT".utf8) { history.chooseCommitFault() }
        if line.statement == Array("ROLLBACK".utf8) { return target.rollback() }
        let rows: Int?
        if line.statement.starts(with: "COPY ".utf8) {
            var data: [UInt8] = []
            while let next = try lines.next(), next != [0x5C, 0x2E] { data += next + [0x0A] }
            rows = try target.copy(line.statement, data)
        } else {
            rows = try target.execute(line.statement)
        }
        // psql would not look; the model may.
        if let expected = line.rows, rows != expected {
            let statement = String(decoding: line.statement.prefix(300), as: UTF8.self)
            throw HistoryFailure("\(rows ?? -1) rows instead of \(expected): \(statement)")
        }
    }

    private func preamble(_ statement: [UInt8]) throws {
        let text = String(decoding: statement, as: UTF8.self)
        let progress = "\"walrelay\".\"progress\""
        let known = [
            "SET ", "SELECT pg_catalog.set_config(", "SELECT pg_catalog.pg_advisory_lock(", "DO '", "DO E'",
            "SELECT FROM \(progress) WHERE stream OPERATOR(pg_catalog.=) 'sim' FOR UPDATE",
            "UPDATE \(progress) SET source_system = ",
            "SELECT CAST(pg_catalog.concat('walrelay: a part of what follows ', p.position",
        ]
        if known.contains(where: { text.hasPrefix($0) }) { return }
        if text.hasPrefix("SELECT CASE WHEN p.source_system OPERATOR(pg_catalog.=) '") {
            guard let row = target.state.progress, text.contains("'\(row.logID ?? "")'"),
                text.contains("'\(row.system)'")
            else { throw HistoryFailure("the text is of another source than the position") }
            return
        }
        guard ["BEGIN", "COMMIT"].contains(text) || text.hasPrefix("INSERT INTO \(progress) ") else {
            throw SQLScanner(statement).unknown("a statement of the preamble")
        }
        _ = try target.execute(statement)
        // SET LOCAL synchronous_commit = local stands in this transaction.
        if text == "COMMIT" { target.flush() }
    }
}
