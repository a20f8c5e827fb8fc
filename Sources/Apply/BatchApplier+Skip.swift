import Batches
import Logging
import Postgres

// Transactions that the user leaves out. The target passes each in a transaction of its own, so that at any moment the
// position says whether that was done.
extension BatchApplier {
    /// The batch holds, or may hold, a transaction that is to be left out.
    func mayHoldSkip(_ header: BatchHeader) -> Bool {
        let from = max(header.from, statistics.position ?? .zero)
        return options.skips.contains { skip in
            skip > from && (header.to.map { skip <= $0 } ?? (header.commit.map { skip > $0 } ?? false))
        }
    }

    /// Passes a batch of one transaction.
    func skip(_ header: BatchHeader, to end: LSN) throws {
        try executor.pass(from: header.from, to: end, committedAt: header.committedAt)
        logger.warning(
            "skipped a transaction as asked: its changes are not on the target",
            metadata: metadata(end, header.committedAt ?? "", header.changes.map(String.init) ?? "unknown"))
    }

    /// Passes a transaction of the log.
    func skip(_ transaction: LoggedTransaction, from: LSN) throws {
        try executor.pass(from: from, to: transaction.end, committedAt: transaction.committedAt)
        var metadata = metadata(transaction.end, transaction.committedAt, "\(transaction.changes)")
        metadata["tables"] = "\(transaction.tables.joined(separator: ", "))"
        logger.warning("skipped a transaction as asked: its changes are not on the target", metadata: metadata)
    }

    private func metadata(_ end: LSN, _ committedAt: String, _ changes: String) -> Logger.Metadata {
        ["transaction": "\(end)", "committed": "\(committedAt)", "changes": "\(changes)"]
    }

    /// Says what became of the positions to skip.
    func concludeSkips() {
        for skip in options.skips.sorted() where statistics.position.map({ $0 < skip }) ?? true {
            logger.warning("no transaction that ends at \(skip) has come; nothing was skipped there")
        }
    }
}
