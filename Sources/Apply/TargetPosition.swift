import Batches
import Logging
import Postgres

/// The target's position: the rows of a stream in `walrelay.progress`, which one session at a time may move.
///
/// The session holds an advisory lock. A session that was lost, and whose commit may still be under way, holds it too;
/// so whoever has the lock reads a position that nobody else moves any more.
public final class TargetPosition {
    /// The name of the position.
    public let stream: String
    /// What the changes come from that are applied now.
    private(set) var source: ProgressSource
    /// The first lane's row, as it was read or moved last.
    private(set) var row: ProgressRow
    private let connection: Connection
    /// What the statements that move the row are prepared for.
    private var prepared: ProgressSQL?

    /// How the position is to be taken.
    public struct Claim: Sendable {
        /// The name of the position.
        public var stream: String
        /// What the changes come from.
        public var source: ProgressSource
        /// Where a target begins that has no position; nil where it must have one.
        public var start: LSN?
        /// Another log than the position's, which continues that one, as the user says.
        public var acceptedLog: String?
        /// What is named as the row's writer.
        public var tool: String

        /// A claim for a stream of changes.
        public init(
            stream: String, source: ProgressSource, start: LSN?, acceptedLog: String? = nil, tool: String
        ) {
            self.stream = stream
            self.source = source
            self.start = start
            self.acceptedLog = acceptedLog
            self.tool = tool
        }
    }

    /// Takes the position for this session: makes the table and the row where they are missing, takes over what version
    /// 0.1 left, and checks whose the position is.
    ///
    /// - Parameter wait: how to wait for another session that holds it.
    /// - Throws: ``ApplyError`` with `privilege` (and the GRANT to run), `positionBusy` (and who holds it), `gap` when
    ///   there is none where one must be, or `foreignStream` when it is of something else.
    public init(_ claim: Claim, _ connection: Connection, wait: PositionWait) throws(ApplyError) {
        stream = claim.stream
        source = claim.source
        self.connection = connection
        let preparation = PositionPreparation(claim, connection, logger: wait.logger)
        do throws(PostgresError) {
            try wait(claim.stream, preparation.lock)
            try preparation.makeTable()
            if let old = try preparation.lockedRow(wait) {
                row = old
            } else {
                guard let first = try preparation.firstRow() else { throw PositionPreparation.noPosition }
                row = first
            }
        } catch {
            throw preparation.explain(error)
        }
        if let conflict = row.conflict(with: claim.source, accepting: claim.acceptedLog) {
            throw conflict.error(row, claim)
        }
        do throws(PostgresError) {
            if try preparation.claim(row) {
                row.systemIdentifier = claim.source.systemIdentifier
                row.database = claim.source.database
                row.slot = claim.source.slot
                row.logID = claim.source.logID
            }
        } catch {
            throw preparation.explain(error)
        }
        // Taken over from a time when timelines were not written down.
        if row.timeline == 0 { row.timeline = claim.source.timeline }
    }

    /// Writes the position `claim.start` down, durably, whatever the stream had before.
    ///
    /// - Throws: ``ApplyError`` with `privilege`, and the GRANT to run.
    public static func place(_ claim: Claim, on connection: Connection) throws(ApplyError) {
        let logger = Logger(label: "walrelay") { _ in SwiftLogNoOpLogHandler() }
        let preparation = PositionPreparation(claim, connection, logger: logger)
        do throws(PostgresError) {
            try preparation.makeTable()
            try preparation.replaceRow()
        } catch {
            throw preparation.explain(error)
        }
    }

    /// The position, durable and read from the target now.
    ///
    /// - Throws: ``ApplyError``; `gap` when the row is gone.
    public func position() throws(ApplyError) -> LSN {
        do throws(PostgresError) {
            guard let position = try connection.durablePosition(stream) else { throw PositionPreparation.noPosition }
            row.position = position
            return position
        } catch {
            throw ApplyError(error, batch: nil, table: nil)
        }
    }

    /// The lanes' rows beside the first that are ahead of it.
    func lanesAhead() throws(ApplyError) -> [ProgressRow] {
        do throws(PostgresError) {
            let rows = try connection.progressRows(stream)
            guard let first = rows.first(where: { $0.lane == 0 }) else { throw PositionPreparation.noPosition }
            return rows.filter { $0.position > first.position }
        } catch {
            throw ApplyError(error, batch: nil, table: nil)
        }
    }

    /// Makes rows for `count` lanes, all where the first is. What other lanes there were goes.
    func setLanes(_ count: Int, tool: String) throws(ApplyError) {
        let rows = (1..<max(1, count)).map { sql.insertRow(lane: $0, of: count, at: row.position, tool: tool) }
        let statements = ["BEGIN", "SET LOCAL synchronous_commit = local", sql.deleteLanes()] + rows + ["COMMIT"]
        do throws(PostgresError) {
            try connection.execute(statements.joined(separator: ";\n"), doing: "making the positions of the lanes")
        } catch {
            _ = try? connection.execute("ROLLBACK", doing: "rolling back")
            throw ApplyError(error, batch: nil, table: nil)
        }
    }

    /// The changes that follow come from here: the source may have another timeline by now.
    func `continue`(with next: ProgressSource) throws(ApplyError) {
        if let conflict = row.conflict(with: next, accepting: source.logID ?? ProgressSource.noLog) {
            throw conflict.error(
                row, Claim(stream: stream, source: next, start: nil, acceptedLog: nil, tool: ""))
        }
        source = next
    }

    /// Refuses changes of a timeline that the target's position has left: they are not part of its history.
    func checkTimeline(_ batch: String) throws(ApplyError) {
        guard row.timeline > source.timeline else { return }
        throw ApplyError(
            .foreignStream,
            "the batch is of timeline \(source.timeline) of the source, and the target has followed timeline "
                + "\(row.timeline) up to \(row.position): these changes were made on a server that the source's failover "
                + "has left behind. Nothing of them is applied; read the log that follows timeline \(row.timeline)",
            batch: batch)
    }

    /// Notes what a commit has made of the row.
    func moved(to position: LSN) {
        row.position = position
        row.timeline = source.timeline
    }

    /// The statements that move it, prepared in the session.
    func preparedSQL() throws(ApplyError) -> ProgressSQL {
        let sql = sql
        guard prepared != sql else { return sql }
        do throws(PostgresError) {
            let text = sql.prepare(replacing: prepared != nil)
            prepared = nil
            try connection.execute(text, doing: "preparing the statements that move the position")
        } catch {
            throw ApplyError(error, batch: nil, table: nil)
        }
        prepared = sql
        return sql
    }

    /// The statements that move it.
    var sql: ProgressSQL { ProgressSQL(stream: stream, source: source) }
}

extension ProgressConflict {
    /// What is wrong, and the way out.
    func error(_ row: ProgressRow, _ claim: TargetPosition.Claim) -> ApplyError {
        let name = Quoting.identifier(claim.stream)
        let source = claim.source
        switch self {
        case .source:
            return ApplyError(
                .foreignStream,
                "the target's position \(name) is of database \(Quoting.identifier(row.database)) of system "
                    + "\(row.systemIdentifier), and the changes are of database \(Quoting.identifier(source.database)) of "
                    + "system \(source.systemIdentifier). Nothing is applied: give the target that this source was copied "
                    + "to, or another name for its position (--origin)")
        case .log:
            return ApplyError(
                .foreignStream,
                "the target's position \(name) is of log \(row.logID ?? "unknown") (slot \(Quoting.identifier(row.slot))), "
                    + "and the changes are of log \(source.logID ?? "unknown") (slot \(Quoting.identifier(source.slot))). "
                    + "Nothing is applied. If this log has all that the other one had after \(row.position), as a new "
                    + "spool of the same slot has, run replay once with --accept-log "
                    + (source.logID ?? ProgressSource.noLog))
        case .unknownTimeline:
            return ApplyError(
                .foreignStream,
                "the target's position \(row.position) is of timeline \(row.timeline), which the history of the source's "
                    + "timeline \(source.timeline) does not have: they are different servers' histories. Nothing is "
                    + "applied; start from a new copy")
        case .branchedOff(let end):
            return ApplyError(
                .foreignStream,
                "the target is at \(row.position) on timeline \(row.timeline), and the source's timeline "
                    + "\(source.timeline) branched off before, at \(end): the target has changes that the source lost in "
                    + "its failover. Nothing is applied; start from a new copy")
        }
    }
}
