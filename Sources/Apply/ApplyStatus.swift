import Postgres

/// How replaying is doing; the contents of `state/replay.json` in the spool.
public struct ApplyStatus: Codable, Sendable, Equatable {
    /// When this was written, in UTC.
    public var updated = ""
    /// The process.
    public var pid: Int32 = 0
    /// False once the process has ended in good order.
    public var isRunning = true
    /// The target's position.
    public var applied: LSN?
    /// When the last transaction applied had committed on the source, in UTC.
    public var committedAt: String?
    /// Seconds from that commit to its being applied.
    public var delaySeconds: Double?
    /// The same of all batches since the start.
    public var latency: ApplyLatency?
    /// Bytes of WAL between the source's end, as `receive` saw it last, and the target's position; nil without a spool.
    public var lagBytes: UInt64?
    /// Seconds until the target has caught up, at the pace of the last half minute; nil where it has, or will not.
    public var secondsLeft: Double?
    /// Transactions applied since the start.
    public var transactions = 0
    /// Changes applied since the start.
    public var changes = 0
    /// Batches applied since the start.
    public var batches = 0
    /// Batches that were applied in the source's own order because their net changes were refused.
    public var batchesInOrder = 0
    /// How often the target was connected to again.
    public var reconnections = 0
    /// Source transactions that were left out because the user asked for it.
    public var transactionsSkipped = 0
    /// Statements that changed another number of rows than on the source, and were let pass.
    public var mismatches = 0
    /// Why the batch that comes next is not applied yet, and which it is; nil while all goes well.
    public var trouble: String?
    /// For whom replay waits on the target, if it has for ten seconds.
    public var waitingFor: String?
    /// Changes a second since the status before.
    public var changesPerSecond: Double = 0

    enum CodingKeys: String, CodingKey {
        case updated, pid, applied, latency, transactions, changes, batches, reconnections, mismatches, trouble
        case isRunning = "running"
        case committedAt = "committed_at"
        case delaySeconds = "delay_seconds"
        case lagBytes = "lag_bytes"
        case secondsLeft = "seconds_left"
        case transactionsSkipped = "transactions_skipped"
        case batchesInOrder = "batches_in_order"
        case waitingFor = "waiting_for"
        case changesPerSecond = "changes_per_second"
    }
}
