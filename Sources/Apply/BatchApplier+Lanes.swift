import Batches
import Failpoints
import Logging
import Postgres

// Several connections. What each has is recorded in a row of its own; the first lane's, which is the stream's, is never
// ahead of the others.
extension BatchApplier {
    /// Opens the lanes that were asked for, if the stream is written for them.
    func openLanes(_ preamble: BatchPreamble) throws(ApplyError) {
        guard options.jobs > 1 else { return }
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
        try group.open(encoding: preamble.encoding, tool: options.tool)
        lanes = group
    }

    /// Brings the target to where its furthest lane is, so that all of it is at one position.
    ///
    /// A crash between the commits of a batch's lanes leaves some of them ahead. What the others lack is taken from the
    /// log, in one transaction.
    func level() throws {
        while let ahead = try lanesAhead(), let end = ahead.positions.values.min() {
            let position = statistics.position ?? .zero
            guard let log else {
                throw ApplyError(
                    .straddling,
                    "the last replay was cut off while several connections applied what follows \(position): only some of "
                        + "it is on the target; give replay the log with --spool to finish it")
            }
            logger.warning(
                "the last replay was cut off between its connections; applying what is missing from the log",
                metadata: ["from": "\(position)", "to": "\(end)"])
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

    /// The lanes of the last run that are ahead of the stream's position.
    private func lanesAhead() throws(ApplyError) -> LanesAhead? {
        guard let rows = try link.position?.lanesAhead(), let count = rows.first?.lanes else { return nil }
        guard rows.allSatisfy({ $0.lanes == count }) else {
            throw ApplyError(
                .positionMoved,
                "lanes of different numbers of connections are ahead of the target's position, which no run leaves: was "
                    + "walrelay.progress changed by hand? Start from a new copy")
        }
        return LanesAhead(
            count: count, positions: Dictionary(rows.map { ($0.lane, $0.position) }, uniquingKeysWith: max))
    }

    /// Applies up to `end` what the lanes lack that are not there yet, as one transaction. False when, by the way that it
    /// was cut, lanes would depend on one another; then nothing is applied.
    private func applyShares(
        _ log: any BatchLog, to end: LSN, _ ahead: LanesAhead, maxBytes: Int?
    ) throws -> Bool {
        var range = BatchRange(from: statistics.position ?? .zero, to: end, order: .net, stream: streamName)
        range.lanes = ahead.count
        range.maxBytes = maxBytes
        var reader = BatchReader(source: try log.batches(range))
        do {
            while true {
                let event = try reader.next()
                switch event {
                case .preamble(let preamble): try follow(preamble)
                case .batchBegin(let header):
                    // All of it is one transaction.
                    if executor.header == nil { try executor.begin(header, to: end) }
                case .statement, .copy, .copyData, .copyEnd:
                    if ahead.positions[reader.lane].map({ $0 < end }) ?? true { try executor.perform(event) }
                case .barrier, .rollback:
                    executor.abandon()
                    return false
                case .end:
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
}
