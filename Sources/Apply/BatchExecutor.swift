import Batches
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

    /// True when the target has the batch already, false when it comes next.
    func isApplied(_ header: BatchHeader) throws(ApplyError) -> Bool {
        if let position = statistics.position {
            let isApplied = header.to.map { $0 <= position } ?? header.commit.map { $0 < position } ?? false
            if isApplied { return true }
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
        transaction = BatchTransaction(
            try link.connection(), batch: header.range, options: options, logger: logger)
    }

    /// Sends what the event says, unless the batch is skipped.
    func perform(_ event: BatchEvent) throws(ApplyError) {
        try transaction?.perform(event)
    }

    /// A transaction that gets no id writes no commit record, and the origin would stay where it is.
    func ensureTransactionID() throws(ApplyError) {
        try transaction?.append("SELECT pg_catalog.txid_current();")
    }

    /// Commits the batch, which takes the target to `end`.
    func commit(_ end: LSN) throws(ApplyError) {
        guard let header else {
            throw ApplyError(.malformedInput, "a commit comes outside any batch; write it again with transform")
        }
        if let transaction {
            try transaction.commit()
            statistics.rows += transaction.rows
            statistics.bytes += transaction.bytes
            noteApplied(header, end)
        } else {
            statistics.batchesSkipped += 1
        }
        transaction = nil
        self.header = nil
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
