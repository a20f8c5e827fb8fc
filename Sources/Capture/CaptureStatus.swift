import Postgres

/// How a capture is doing; the contents of `state/receive.json` in the spool.
public struct CaptureStatus: Codable, Sendable, Equatable {
    /// What the capture is doing.
    public enum State: String, Codable, Sendable {
        /// Reading what the source sends.
        case streaming
        /// Not reading, because the disk is slower than the source.
        case waitingForDisk = "waiting for the disk"
        /// Not reading, because the spool has reached its quota or the disk its floor.
        case spoolFull = "spool full"
        /// Not reading, because the disk is full.
        case diskFull = "disk full"
        /// Ended; see the program's exit code for how.
        case ended
    }

    /// When this was written, in UTC.
    public var updated = ""
    /// The process.
    public var pid: Int32 = 0
    /// The slot.
    public var slot = ""
    /// What the capture is doing.
    public var state = State.streaming
    /// The end of the last commit or watermark received.
    public var received = LSN.zero
    /// The end of the last commit received, or where this capture began: whoever has that has every change.
    public var committed: LSN?
    /// How far the source has sent all that concerns this database: beyond what was received where only others have written.
    public var seen: LSN?
    /// The same for what is on disk.
    public var durable = LSN.zero
    /// The position last told to the source.
    public var acknowledged = LSN.zero
    /// The end of the source's WAL when it was last asked.
    public var server: LSN?
    /// Bytes of WAL between the source's end and what it has sent.
    public var lagBytes: UInt64?
    /// Bytes of WAL that the slot makes the source keep.
    public var retainedBytes: UInt64?
    /// The slot's `wal_status`.
    public var walStatus: String?
    /// Bytes of WAL that the source may still write before the slot is in danger of being lost; absent where it has no limit.
    public var safeBytes: UInt64?
    /// The commit time of the last transaction received, on the source, in UTC.
    public var lastCommit: String?
    /// Transactions received since the start.
    public var transactions: UInt64 = 0
    /// Messages received since the start.
    public var messages: UInt64 = 0
    /// Messages a second since the status before.
    public var messagesPerSecond: Double = 0
    /// Bytes of all segments.
    public var spoolBytes: UInt64 = 0
    /// The segment that is being written.
    public var segment = ""
    /// Transactions that are being streamed while in progress, and the bytes collected of them.
    public var inProgress = 0
    /// Bytes collected of transactions in progress.
    public var inProgressBytes: UInt64 = 0

    enum CodingKeys: String, CodingKey {
        case updated, pid, slot, state, received, committed, seen, durable, acknowledged, server, transactions,
            messages, segment
        case lagBytes = "lag_bytes"
        case retainedBytes = "retained_bytes"
        case walStatus = "wal_status"
        case safeBytes = "safe_wal_bytes"
        case lastCommit = "last_commit"
        case messagesPerSecond = "messages_per_second"
        case spoolBytes = "spool_bytes"
        case inProgress = "in_progress"
        case inProgressBytes = "in_progress_bytes"
    }
}
