import Postgres

/// The first line of a batch: which part of the source's history it carries.
public struct BatchHeader: Codable, Sendable, Equatable {
    /// The position that the target must have reached: the end of the batch before.
    public var from: LSN
    /// The position that the batch reaches: the end of its last commit. Nil for a transaction that was written while
    /// it was read; then ``commit`` says where its commit record begins.
    public var to: LSN?
    /// Where the commit record of a transaction that is a batch of its own begins; nil for other batches.
    public var commit: LSN?
    /// The number of source transactions.
    public var transactions: Int
    /// The number of row changes and TRUNCATEs on the source; nil where ``to`` is.
    public var changes: Int?
    /// When the last of the transactions committed on the source, in UTC; nil for a marker.
    public var committedAt: String?

    enum CodingKeys: String, CodingKey {
        case from, to, commit, transactions, changes
        case committedAt = "committed_at"
    }

    /// A header of the given range.
    public init(
        from: LSN, to: LSN?, commit: LSN? = nil, transactions: Int, changes: Int? = nil, committedAt: String? = nil
    ) {
        self.from = from
        self.to = to
        self.commit = commit
        self.transactions = transactions
        self.changes = changes
        self.committedAt = committedAt
    }

    /// The range in words, for messages.
    public var range: String {
        if let to { return "\(from) to \(to)" }
        return "\(from) to the commit at \(commit ?? .zero)"
    }

    /// The header's line, BEGIN, and the line that takes the target from where the batch continues to its end; where
    /// that is not known yet, it only holds the target there.
    func write(to text: TextBuffer, _ progress: ProgressSQL) {
        text.append("-- walrelay batch {")
        text.appendJSON(key: "from", from)
        text.append(",")
        if let to {
            text.appendJSON(key: "to", to)
        } else {
            text.append("\"to\":null")
        }
        if let commit {
            text.append(",")
            text.appendJSON(key: "commit", commit)
        }
        text.append(",")
        text.appendJSON(key: "transactions", transactions)
        if let changes {
            text.append(",")
            text.appendJSON(key: "changes", changes)
        }
        if let committedAt {
            text.append(",")
            text.appendJSON(key: "committed_at", committedAt)
        }
        text.append("}\nBEGIN;\n")
        text.append(
            string: to.map { progress.moveLine(from: from, to: $0, committedAt: committedAt) }
                ?? progress.holdLine(at: from))
    }
}
