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
    }

    func beginStreamed(_ transaction: OpenTransaction) throws {
        open?.isStreamed = true
        // Transactions without any statement that came before are part of this batch's range.
        pending = Pending()
        frame.clear()
        BatchHeader(
            from: batchFrom, to: nil, commit: transaction.begin.finalLSN, transactions: 1,
            committedAt: transaction.begin.commitTime.description
        ).write(to: frame, try progress())
        try writeFrame()
    }

    func finishStreamed(_ transaction: OpenTransaction) throws {
        open = nil
        try strategy.takeAll { try write($0) }
        try strategy.commit()
        frame.clear()
        // Its end was not known at its beginning.
        let time = lastCommitTime?.description
        frame.append(string: try progress().moveLine(from: batchFrom, to: position, committedAt: time))
        try finishBatch(position)
    }

    /// Drops the transaction being read; if its batch is being written, that batch is rolled back.
    func abandonOpen() throws {
        guard let transaction = open else { return }
        open = nil
        cursor.abandon()
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
        ).write(to: frame, try progress())
        try writeFrame()
        try strategy.takeCompleted { try write($0) }
        frame.clear()
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
