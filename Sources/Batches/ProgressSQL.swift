import Postgres

/// The SQL that keeps a target's position: a row of `walrelay.progress` for each lane of a stream, moved in the
/// transaction of the rows (docs/batch-format.md, "The position").
///
/// ```
/// walrelay.progress   stream lane │ lanes position timeline committed_at
///                     └── key ──┘ │ source_system source_database slot log_id applied_at tool
/// ```
/// A statement that moves the row changes exactly one row, or the batch must not be applied: it is guard, lock and
/// progress in one. Nothing depends on `search_path`.
public struct ProgressSQL: Sendable, Equatable {
    /// The name that the position has on the target.
    public let stream: String
    /// What it is a position of.
    public let source: ProgressSource

    /// The SQL for one stream.
    public init(stream: String, source: ProgressSource) {
        self.stream = stream
        self.source = source
    }

    /// The first bytes of a line that moves the row.
    static let moveOpening: StaticString = "WITH moved AS (UPDATE \"walrelay\".\"progress\" SET "
    /// The first bytes of a line that holds the row where it is.
    static let holdOpening: StaticString = "WITH held AS (SELECT FROM \"walrelay\".\"progress\" "

    /// Moves a lane's row from one position to another. Reports one row, or else the row is not at `from`.
    ///
    /// - Parameter committedAt: when the last of the transactions committed on the source; nil when there is none.
    public func move(lane: Int = 0, from: LSN, to: LSN, committedAt: String?) -> String {
        "\(update(to, committedAt)) WHERE \(row(lane)) AND position OPERATOR(pg_catalog.=) '\(from)'"
    }

    /// Moves the row of a lane beside the first, which stays behind in batches that have nothing for it.
    public func advance(lane: Int, from: LSN, to: LSN, committedAt: String?) -> String {
        "\(update(to, committedAt)) WHERE \(row(lane)) AND position OPERATOR(pg_catalog.<=) '\(from)'"
    }

    /// Holds the first lane's row at a position until the transaction's end. Reports one row, or else it is elsewhere.
    public func hold(at position: LSN) -> String {
        "SELECT FROM \(Connection.progressTable) WHERE \(row(0)) AND position OPERATOR(pg_catalog.=) '\(position)'"
            + " FOR UPDATE"
    }

    /// Reports one row when this transaction itself moved the lane's row to a position, and else none.
    public func check(lane: Int = 0, isAt position: LSN) -> String {
        check(lane, "'\(position)'")
    }

    private func check(_ lane: Int, _ position: String) -> String {
        "SELECT FROM \(Connection.progressTable) WHERE \(row(lane)) AND position OPERATOR(pg_catalog.=) \(position)"
            + " AND xmin::pg_catalog.text OPERATOR(pg_catalog.=)"
            + " pg_catalog.mod(pg_catalog.txid_current(), 4294967296)::pg_catalog.text"
    }

    private func update(_ end: LSN, _ committedAt: String?) -> String {
        update("'\(end)'", committedAt.map { "committed_at = \(Quoting.literal($0)), " } ?? "")
    }

    private func update(_ end: String, _ time: String) -> String {
        "UPDATE \(Connection.progressTable) SET position = \(end), timeline = \(source.timeline), \(time)"
            + "applied_at = pg_catalog.clock_timestamp()"
    }

    private func row(_ lane: Int) -> String {
        let log = source.logID.map { "log_id OPERATOR(pg_catalog.=) \(Quoting.literal($0))" } ?? "log_id IS NULL"
        return "\(key) AND lane OPERATOR(pg_catalog.=) \(lane) AND \(log)"
    }

    /// What finds all rows of the stream.
    var key: String { "stream OPERATOR(pg_catalog.=) \(Quoting.literal(stream))" }
}

// The same, planned once for a session. Each batch has both statements, and most of what they cost is their planning.
extension ProgressSQL {
    private static let preparedMove = "walrelay_move"
    private static let preparedCheck = "walrelay_check"

    /// Prepares the statements of the first lane, instead of those that were prepared for what the changes came from
    /// before.
    public func prepare(replacing: Bool) -> String {
        let old = replacing ? "DEALLOCATE \(Self.preparedMove); DEALLOCATE \(Self.preparedCheck); " : ""
        let time = "committed_at = coalesce($3, committed_at), "
        return "\(old)PREPARE \(Self.preparedMove) (pg_catalog.pg_lsn, pg_catalog.pg_lsn, pg_catalog.timestamptz) AS "
            + "\(update("$2", time)) WHERE \(row(0)) AND position OPERATOR(pg_catalog.=) $1;"
            + " PREPARE \(Self.preparedCheck) (pg_catalog.pg_lsn) AS \(check(0, "$1"))"
    }

    /// As ``move(lane:from:to:committedAt:)`` for the first lane, once it is prepared.
    public func executeMove(from: LSN, to: LSN, committedAt: String?) -> String {
        "EXECUTE \(Self.preparedMove)('\(from)', '\(to)', \(committedAt.map { Quoting.literal($0) } ?? "NULL"))"
    }

    /// As ``check(lane:isAt:)`` for the first lane, once it is prepared.
    public func executeCheck(isAt position: LSN) -> String { "EXECUTE \(Self.preparedCheck)('\(position)')" }
}

// What a batch's text has, whose client only sees errors.
extension ProgressSQL {
    /// The line that moves the row, or fails.
    func moveLine(from: LSN, to: LSN, committedAt: String?) -> String {
        "WITH moved AS (\(move(from: from, to: to, committedAt: committedAt)) RETURNING 1) \(orFail("moved", from))"
    }

    /// The line that holds the row, or fails.
    func holdLine(at position: LSN) -> String {
        "WITH held AS (\(hold(at: position))) \(orFail("held", position))"
    }

    /// Concat of what is not known when the statement is planned: a constant would fail before anything was looked at.
    private func orFail(_ rows: String, _ from: LSN) -> String {
        "SELECT CASE WHEN pg_catalog.count(*) OPERATOR(pg_catalog.=) 1 THEN 1 ELSE CAST(pg_catalog.concat("
            + "'walrelay: this batch continues from \(from) but the target is at ', coalesce((SELECT p.position FROM "
            + "\(Connection.progressTable) AS p WHERE p.\(key) AND p.lane OPERATOR(pg_catalog.=) 0)::pg_catalog.text,"
            + " 'no position')) AS pg_catalog.int4) END AS \(rows) FROM \(rows);\n"
    }
}
