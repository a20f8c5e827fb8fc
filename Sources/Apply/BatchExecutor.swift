import Batches
import Failpoints
import Logging
import Postgres

/// Applies one batch after the other on the link, each as a transaction, unless the target has it already.
final class BatchExecutor {
    private let link: TargetLink
    private let options: ApplyOptions
    private let logger: Logger
    private var transaction: BatchTransaction?
    /// The open transaction has moved the position; else it only holds it, until the end is known.
    private var hasMoved = false
    /// The open batch.
    private(set) var header: BatchHeader?
    /// Counts so far; its position is the target's.
    var statistics = ApplyStatistics()

    init(_ link: TargetLink, options: ApplyOptions, logger: Logger) {
        self.link = link
        self.options = options
        self.logger = logger
    }

    /// The open batch is being applied, not skipped.
    var isApplying: Bool { transaction != nil }

    /// The target has the batch already.
    func has(_ header: BatchHeader) -> Bool {
        guard let position = statistics.position else { return false }
        return header.to.map { $0 <= position } ?? header.commit.map { $0 < position } ?? false
    }

    /// True when the target has the batch already, false when it comes next.
    func isApplied(_ header: BatchHeader) throws(ApplyError) -> Bool {
        if has(header) { return true }
        if let position = statistics.position {
            guard header.from >= position else {
                throw ApplyError(
                    .straddling,
                    "the target is at \(position), inside the batch; write the batches again with: "
                        + "transform --from \(position)", batch: header.range)
            }
            guard header.from <= position else {
                throw ApplyError(
                    .gap,
                    "the batch continues from \(header.from) but the target is at \(position): what lies between is "
                        + "missing from the input; write the batches again with: transform --from \(position)",
                    batch: header.range)
            }
        }
        return false
    }

    /// Opens the batch's transaction, unless the target has the batch already.
    ///
    /// - Parameter last: where the transaction ends that takes more than this batch; nil for the batch's own end.
    func begin(_ header: BatchHeader, to last: LSN? = nil) throws(ApplyError) {
        self.header = header
        guard try !isApplied(header) else { return }
        let position = try heldPosition()
        try position.checkTimeline(header.range)
        let sql = try position.preparedSQL()
        Failpoint.beforeBatch.reach()
        let transaction = try BatchTransaction(link, batch: header.range, options: options, logger: logger)
        self.transaction = transaction
        try transaction.append("BEGIN")
        let end = last ?? header.to
        hasMoved = end != nil
        try transaction.append(
            end.map { sql.executeMove(from: header.from, to: $0, committedAt: header.committedAt) }
                ?? sql.hold(at: header.from), .move)
    }

    private func heldPosition() throws(ApplyError) -> TargetPosition {
        guard let position = link.position else {
            throw ApplyError(.malformedInput, "a batch comes before any preamble; write it again with transform")
        }
        return position
    }

    /// Sends what the event says, unless the batch is skipped.
    func perform(_ event: BatchEvent) throws(ApplyError) { try transaction?.perform(event) }

    /// Commits the batch, which takes the target to `end`.
    func commit(_ end: LSN) throws(ApplyError) {
        guard let header else {
            throw ApplyError(.malformedInput, "a commit comes outside any batch; write it again with transform")
        }
        if let transaction {
            let position = try heldPosition()
            let sql = position.sql
            if !hasMoved {
                try transaction.append(
                    sql.executeMove(from: header.from, to: end, committedAt: header.committedAt), .move)
            }
            try transaction.append(sql.executeCheck(isAt: end), .check)
            try transaction.commit()
            position.moved(to: end)
            statistics.rows += transaction.rows
            statistics.bytes += transaction.bytes
            statistics.mismatches += transaction.mismatches
            noteApplied(header, end)
            Failpoint.afterPosition.reach()
        } else {
            statistics.batchesSkipped += 1
        }
        transaction = nil
        self.header = nil
    }

    /// Takes the target from `from` to `end` without what lies between, in a transaction of its own.
    func pass(from: LSN, to end: LSN, committedAt: String?) throws(ApplyError) {
        try begin(BatchHeader(from: from, to: end, transactions: 0, committedAt: committedAt))
        try commit(end)
        statistics.transactionsSkipped += 1
    }

    /// Counts a batch that the target has now.
    func noteApplied(_ header: BatchHeader, _ end: LSN) {
        statistics.position = end
        statistics.trouble = nil
        statistics.batchesApplied += 1
        statistics.transactions += header.transactions
        statistics.changes += header.changes ?? 0
        if let time = header.committedAt { statistics.committedAt = time }
    }

    /// Undoes the open batch.
    func abandon() {
        transaction?.rollback()
        transaction = nil
        header = nil
    }
}
