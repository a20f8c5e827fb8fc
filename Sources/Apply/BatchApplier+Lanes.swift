import Batches
import Failpoints
import Logging
import Postgres

// Several connections. What each has is recorded by an origin of its own; the first lane's, which is the stream's, is
// never ahead of the others.
extension BatchApplier {
    /// Opens the lanes that were asked for, if the stream is written for them.
    func openLanes(_ preamble: BatchPreamble) throws(ApplyError) {
        guard options.jobs > 1 else { return }
        guard link.progress is ReplicationOrigin else {
            logger.warning("applying on one connection: lanes need replication origins, and the position is in a table")
            return
        }
        guard log != nil else {
            logger.warning("applying on one connection: without the log (--spool) lanes could not be made equal again")
            return
        }
        guard preamble.lanes == options.jobs else {
            throw ApplyError(
                .malformedInput,
                "the batches are written for \(preamble.lanes ?? 1) connections, and \(options.jobs) are asked for; "
                    + "write them with: transform --lanes \(options.jobs)")
        }
        let group = try LaneGroup(target, first: link, options: options, stop: stop, logger: logger)
        try group.open(encoding: preamble.encoding, origin: originName)
        lanes = group
    }

    /// Brings the target to where its furthest lane is, so that all of it is at one position.
    ///
    /// A crash between the commits of a batch's lanes leaves some of them ahead. What the others lack is taken from the
    /// log, in one transaction.
    func level() throws {
        guard link.progress is ReplicationOrigin else { return }
        guard let position = statistics.position else { return try forgetLanes() }
        while let ahead = try lanesAhead(), let end = ahead.positions.values.min() {
            guard let log else {
                throw ApplyError(
                    .straddling,
                    "the last replay was cut off while several connections applied what follows "
                        + "\(statistics.position ?? position): "
                        + "only some of it is on the target; give replay the log with --spool to finish it")
            }
            logger.warning(
                "the last replay was cut off between its connections; applying what is missing from the log",
                metadata: ["from": "\(statistics.position ?? position)", "to": "\(end)"])
            if try applyShares(log, to: end, ahead, maxBytes: nil) { continue }
            // With all of it in memory nothing depends on how it is cut.
            guard try applyShares(log, to: end, ahead, maxBytes: 1 << 30) else {
                throw ApplyError(
                    .server,
                    "what only some connections applied cannot be told from what they did not, up to \(end): compare "
                        + "the tables with the source, or start from a new copy")
            }
        }
    }

    private struct LanesAhead {
        let count: Int
        var positions: [Int: LSN]
    }

    /// The lanes of the last run that are ahead of the stream's origin.
    private func lanesAhead() throws(ApplyError) -> LanesAhead? {
        let result = try query(
            BatchPreamble.lanePositions(origin: originName), "reading the positions of the lanes")
        var ahead: LanesAhead?
        for row in 0..<result.rowCount {
            // "…_lane_1_of_2"
            let parts = (result.text(row, 0) ?? "").split(separator: "_").suffix(3)
            guard let at = result.text(row, 1).flatMap({ LSN($0) }), at > statistics.position ?? .zero,
                let lane = parts.first.flatMap({ Int($0) }), let count = parts.last.flatMap({ Int($0) })
            else { continue }
            guard ahead == nil || ahead?.count == count else {
                throw ApplyError(
                    .server,
                    "lanes of \(ahead?.count ?? 0) and of \(count) connections are both ahead of the origin, which no "
                        + "run leaves: was the origin moved by hand? Start from a new copy")
            }
            ahead = ahead ?? LanesAhead(count: count, positions: [:])
            ahead?.positions[lane] = at
        }
        return ahead
    }

    /// Applies up to `end` what the lanes lack that are not there yet, as one transaction. False when, by the way that it
    /// was cut, lanes would depend on one another; then nothing is applied.
    private func applyShares(
        _ log: any BatchLog, to end: LSN, _ ahead: LanesAhead, maxBytes: Int?
    ) throws -> Bool {
        var range = BatchRange(from: statistics.position ?? .zero, to: end, order: .net, origin: originName)
        range.lanes = ahead.count
        range.maxBytes = maxBytes
        var reader = BatchReader(source: try log.batches(range))
        var isFirst = true
        var statements = 0
        do {
            while true {
                let event = try reader.next()
                switch event {
                case .preamble(let preamble): try check(preamble)
                case .batchBegin(let header):
                    isFirst = executor.header == nil
                    if isFirst { try executor.begin(header) }
                    statements = 0
                case .statement, .copy, .copyData, .copyEnd:
                    statements += 1
                    // The transaction has the first batch's BEGIN and guard.
                    if !isFirst && statements <= 2 { continue }
                    if ahead.positions[reader.lane].map({ $0 < end }) ?? true { try executor.perform(event) }
                case .barrier, .rollback:
                    executor.abandon()
                    return false
                case .end:
                    try executor.ensureTransactionID()
                    Failpoint.beforeLevelCommit.reach()
                    try executor.commit(end)
                    return true
                case .commit, .preambleStatement: break
                case .endOfInput: throw logEndedEarly()
                }
            }
        } catch {
            executor.abandon()
            throw error
        }
    }

    /// Lanes of a target that has no position yet are those of an earlier one.
    private func forgetLanes() throws(ApplyError) {
        let lanes = BatchPreamble.lanePositions(origin: originName)
        // The privilege to drop is only needed where there is something to drop.
        guard try query(lanes, "looking for lanes").rowCount > 0 else { return }
        _ = try query(
            "SELECT pg_catalog.pg_replication_origin_drop(roname) FROM (\(lanes)) AS l",
            "dropping the replication origins of an earlier run's connections")
    }

    private func query(_ sql: String, _ doing: String) throws(ApplyError) -> QueryResult {
        let connection = try link.connection()
        do throws(PostgresError) {
            return try connection.execute(sql, doing: doing)
        } catch {
            throw ApplyError(error, batch: nil, table: nil)
        }
    }
}
