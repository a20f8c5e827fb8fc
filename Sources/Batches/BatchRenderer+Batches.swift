import PgOutput
import Postgres

// The batches.
extension BatchRenderer {
    /// Keeps the text held within the limit: what is complete goes out first, then the open transaction by itself.
    func limitMemory() throws {
        guard strategy.byteCount > options.maxBytes else { return }
        if open?.isStreamed != true {
            if pending.transactions > 0 && strategy.hasCompleted { try writePending() }
            guard strategy.byteCount > options.maxBytes, let transaction = open, !transaction.isSkipped else { return }
            try beginStreamed(transaction)
        }
        try strategy.takeAll { try write($0) }
        if strategy.tookWrites { open?.hasWrites = true }
    }

    func beginStreamed(_ transaction: OpenTransaction) throws {
        open?.isStreamed = true
        // Transactions without any statement that came before are part of this batch's range.
        pending = Pending()
        frame.clear()
        BatchHeader(
            from: batchFrom, to: nil, commit: transaction.begin.finalLSN, transactions: 1,
            committedAt: transaction.begin.commitTime.description
        ).write(to: frame)
        try writeFrame()
    }

    func finishStreamed(_ transaction: OpenTransaction) throws {
        open = nil
        try strategy.takeAll { try write($0) }
        try strategy.commit()
        frame.clear()
        if !transaction.hasWrites && !strategy.tookWrites { writeTransactionID() }
        writeOriginSetup(position)
        try finishBatch(position)
    }

    /// Drops the transaction being read; if its batch is being written, that batch is rolled back.
    func abandonOpen() throws {
        guard let transaction = open else { return }
        open = nil
        guard !transaction.isSkipped else { return }
        try strategy.rollback()
        guard transaction.isStreamed else { return }
        frame.clear()
        frame.append("ROLLBACK;\n-- walrelay rollback {}\n")
        try writeFrame()
        try sink.completed(to: batchFrom)
    }

    /// Writes the complete transactions as a batch.
    func writePending() throws {
        let batch = pending
        pending = Pending()
        frame.clear()
        BatchHeader(
            from: batchFrom, to: batch.end, transactions: batch.transactions, changes: batch.changes,
            committedAt: batch.transactions > 0 ? lastCommitTime?.description : nil
        ).write(to: frame)
        writeOriginSetup(batch.end)
        try writeFrame()
        try strategy.takeCompleted { try write($0) }
        frame.clear()
        if !strategy.tookWrites { writeTransactionID() }
        try finishBatch(batch.end)
    }

    private func finishBatch(_ end: LSN) throws {
        frame.append("COMMIT;\n-- walrelay commit {")
        frame.appendJSON(key: "to", end)
        frame.append("}\n")
        try writeFrame()
        batchFrom = end
        statistics.batches += 1
        try flush()
        try sink.completed(to: end)
    }

    private func writeOriginSetup(_ end: LSN) {
        let time = lastCommitTime ?? Timestamp(rawValue: 0)
        frame.append(
            string: "SELECT pg_catalog.pg_replication_origin_xact_setup('\(end)', '\(time)');\n")
    }

    /// A transaction that gets no id writes no commit record, and the origin would stay where it is.
    private func writeTransactionID() {
        frame.append("SELECT pg_catalog.txid_current();\n")
    }

    func writeFrame() throws {
        try write(frame.bytes)
        frame.clear()
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        guard !bytes.isEmpty else { return }
        isDirty = true
        statistics.bytes += bytes.count
        try sink.write(bytes)
    }

    func flush() throws {
        isDirty = false
        try sink.flush()
    }
}
