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
    func begin(_ header: BatchHeader) throws(ApplyError) {
        self.header = header
        guard try !isApplied(header) else { return }
        try establish(header.from)
        Failpoint.beforeBatch.reach()
        transaction = try BatchTransaction(link, batch: header.range, options: options, logger: logger)
    }

    /// Sends what the event says, unless the batch is skipped.
    func perform(_ event: BatchEvent) throws(ApplyError) {
        if case .statement(let sql, _) = event, link.progress?.replaces(sql) == true { return }
        try transaction?.perform(event)
    }

    /// Has the batch's transaction write a commit record, also if it changes no row.
    func ensureTransactionID() throws(ApplyError) {
        try transaction?.append(BatchTransaction.takesID)
    }

    /// Commits the batch, which takes the target to `end`.
    func commit(_ end: LSN) throws(ApplyError) {
        guard let header else {
            throw ApplyError(.malformedInput, "a commit comes outside any batch; write it again with transform")
        }
        if let transaction {
            if let move = link.progress?.move(from: statistics.position, to: end, committedAt: header.committedAt) {
                try transaction.append(move, expectedRows: 1, isStrict: true)
            }
            try transaction.commit()
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

    /// Says durably where the first batch begins, before anything of it is there. A target without a position takes any
    /// batch, and would take the second after a crash that took back the first.
    ///
    /// - Returns: whether the target has a position now.
    @discardableResult
    func establish(_ from: LSN) throws(ApplyError) -> Bool {
        guard statistics.position == nil else { return true }
        guard from > .zero, let progress = link.progress else { return false }
        let base = try BatchTransaction(link, batch: "the start at \(from)", options: options, logger: logger)
        do throws(ApplyError) {
            try base.append("BEGIN;")
            try base.append("SET LOCAL synchronous_commit = local;")
            for statement in progress.movesAlone(to: from, committedAt: nil) { try base.append(statement) }
            if let move = progress.move(from: nil, to: from, committedAt: nil) {
                try base.append(move, expectedRows: 1, isStrict: true)
            }
            // A commit of a transaction that wrote nothing is not waited for.
            try base.append("SELECT pg_catalog.pg_logical_emit_message(true, 'walrelay', 'start');")
            try base.commit()
        } catch {
            base.rollback()
            throw error
        }
        statistics.position = from
        return true
    }

    /// Takes the position that a new session reads.
    func resume(at position: LSN?) throws(ApplyError) {
        if position == nil, let known = statistics.position {
            throw ApplyError(
                .gap,
                "the target was at \(known) and has no position any more: was its replication origin dropped? Nothing more "
                    + "is applied; if the rows are still there, set the position: pg_replication_origin_advance")
        }
        statistics.position = position
    }

    /// Takes the target from `from` to `end` without what lies between, in a transaction of its own.
    func pass(from: LSN, to end: LSN, committedAt: String?) throws(ApplyError) {
        try begin(BatchHeader(from: from, to: end, transactions: 0, committedAt: committedAt))
        try transaction?.append("BEGIN;")
        for statement in link.progress?.movesAlone(to: end, committedAt: committedAt) ?? [] {
            try transaction?.append(statement)
        }
        try commit(end)
        statistics.transactionsSkipped += 1
    }

    /// Counts a batch that the target has now.
    func noteApplied(_ header: BatchHeader, _ end: LSN) {
        statistics.position = end
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
