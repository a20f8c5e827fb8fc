import Apply
import Batches
import Catalog
import Copying
import Logging
import Observability
import Postgres
import Spool
import Threading

// The target's position, as a migration places, reads and removes it.
extension TargetDatabase {
    /// Writes down where the copy is: what the source committed before is there. What the stream may have had before is
    /// forgotten.
    func placePosition(_ options: CloneOptions, _ journal: CloneJournal, at position: LSN) throws {
        let source = try Connection(options.source, applicationName: DatabaseSession.applicationName)
        let claim = TargetPosition.Claim(
            stream: options.stream, source: try journal.progressSource(options, timeline: source.timeline()),
            start: position, tool: options.tool)
        try TargetPosition.place(claim, on: connection)
        let placed = try connection.committedPosition(options.stream)
        guard placed == position else {
            throw PostgresError(
                .unexpectedAnswer, "the target says \(placed ?? .zero)", doing: "placing the target's position")
        }
    }

    /// The target's position once nobody moves it any more: a replay that was killed, or whose parent was, may still be
    /// applying what it had. Also how far away the target is.
    static func settledPosition(
        _ options: CloneOptions, stop: StopRequest? = nil, logger: Logger
    ) throws -> (position: LSN, roundTrip: Duration) {
        let target = try TargetDatabase(options.target).connection
        return (try settledPosition(options, on: target, stop: stop, logger: logger), try target.roundTrip())
    }

    /// The same position, by a session that there is.
    static func settledPosition(
        _ options: CloneOptions, on target: Connection, stop: StopRequest?, logger: Logger
    ) throws -> LSN {
        guard let journal = try CloneJournal.read(SpoolDirectory(options.spool)) else {
            throw ProgramFailure(.failure, "the journal is gone from \(SpoolDirectory(options.spool).statePath)")
        }
        // The stages compare timelines.
        let claim = TargetPosition.Claim(
            stream: options.stream, source: try journal.progressSource(options, timeline: 0), start: nil,
            tool: options.tool)
        do throws(ApplyError) {
            let wait = PositionWait(seconds: 30, stop: stop, logger: logger)
            return try TargetPosition(claim, target, wait: wait).position()
        } catch {
            if error.code == .connectionLost, let cause = error.cause { throw cause }
            guard error.code == .positionBusy else { throw error }
            throw ProgramFailure(.positionBusy, error.message)
        }
    }

    /// Has the server flush everything that was committed, whatever settings it was committed with.
    func makeDurable() throws {
        try connection.makeCommitsDurable()
    }

    /// Forgets the stream's position, and what version 0.1 left of it. The table and its schema go with the last row,
    /// where the role may drop them. False when there was none.
    func dropPosition(_ stream: String) throws -> Bool {
        let doing = "removing the target's position"
        guard try connection.progressTableState() == .present else { return try dropOldOrigins(stream) }
        let sql = ProgressSQL(
            stream: stream,
            source: ProgressSource(systemIdentifier: "", database: "", slot: "", logID: nil, timeline: 0))
        // A replay that has just ended may hold the row for a moment longer.
        let had = try !connection.progressRows(stream).isEmpty
        do throws(PostgresError) {
            try connection.execute(
                "BEGIN; SET LOCAL lock_timeout = '15s'; \(sql.deleteRows()); COMMIT", doing: doing)
        } catch {
            _ = try? connection.execute("ROLLBACK", doing: "rolling back")
            throw error
        }
        let left = try connection.execute("SELECT FROM \(Connection.progressTable) LIMIT 1", doing: doing)
        if left.rowCount == 0 {
            for statement in ["DROP TABLE \(Connection.progressTable)", "DROP SCHEMA walrelay"] {
                do throws(PostgresError) {
                    try connection.dropOwn(statement, doing: doing)
                } catch {
                    // An administrator's schema stays, one that has something else in it, and what an event trigger wants to
                    // keep.
                    guard error.isOfStatement else { throw error }
                    break
                }
            }
        }
        return had
    }

    private func dropOldOrigins(_ stream: String) throws -> Bool {
        let origins = try connection.oldOrigins(stream).map(\.name)
        try connection.dropOrigins(origins)
        return !origins.isEmpty
    }
}

extension CloneJournal {
    /// What the target's position is a position of. The spool, and with it the name of its log, is made if need be.
    func progressSource(_ options: CloneOptions, timeline: UInt32) throws -> ProgressSource {
        let spool = SpoolDirectory(options.spool)
        if try spool.identity() == nil { try makeSpool(spool) }
        return ProgressSource(
            systemIdentifier: source.systemIdentifier, database: source.name, slot: slot,
            logID: try spool.identity()?.logID, timeline: timeline)
    }

    /// Makes the spool, so that its log has a name before anything is in it.
    func makeSpool(_ spool: SpoolDirectory) throws {
        let lock = try spool.open(
            for: SpoolIdentity(systemIdentifier: source.systemIdentifier, database: source.name, slot: slot))
        withExtendedLifetime(lock) {}
    }
}
