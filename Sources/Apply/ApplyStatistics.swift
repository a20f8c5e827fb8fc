import Postgres

/// Counts of what was applied.
public struct ApplyStatistics: Sendable, Equatable {
    /// Batches committed on the target.
    public var batchesApplied = 0
    /// Batches that the target had already.
    public var batchesSkipped = 0
    /// Batches that were applied in the source's own order because their net changes were refused.
    public var batchesInOrder = 0
    /// Batches that several connections applied together.
    public var batchesInLanes = 0
    /// How often the target was connected to again.
    public var reconnections = 0
    /// Source transactions that were left out because the user asked for it.
    public var transactionsSkipped = 0
    /// Statements that changed another number of rows than on the source, and were let pass.
    public var mismatches = 0
    /// Source transactions in the applied batches.
    public var transactions = 0
    /// Source changes in the applied batches, where their headers say them.
    public var changes = 0
    /// Rows that the target reported as changed.
    public var rows = 0
    /// Statement text and COPY data sent, in bytes.
    public var bytes = 0
    /// When the last transaction applied had committed on the source, in UTC.
    public var committedAt: String?
    /// Why the batch that comes next is not applied yet; nil while all goes well.
    public var trouble: String?
    /// The target's position after the last batch; nil before it is known.
    public var position: LSN?

    /// Nothing yet.
    public init() {}
}
