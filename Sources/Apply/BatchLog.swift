import Batches
import Postgres

/// The log that the batches come from, for a range that must be written again: after a collision of net changes, when
/// the target lost what it had not made durable, or around a transaction that is left out.
public protocol BatchLog: Sendable {
    /// The batches of a range, which end with an end line at its end.
    func batches(_ range: BatchRange) throws -> any ByteSource

    /// The transaction that ends at `end`; nil when none after `from` does.
    func transaction(endingAt end: LSN, after from: LSN) throws -> LoggedTransaction?
}

/// Which part of the log is to be written as batches, and how.
public struct BatchRange: Sendable {
    /// Where the first batch continues from.
    public var from: LSN
    /// Where the last batch ends.
    public var to: LSN
    /// How changes become statements.
    public var order: BatchPreamble.Order
    /// The name of the target's position.
    public var stream: String
    /// Every transaction with changes is a batch of its own.
    public var isSplit = false
    /// The lanes that statements are divided into.
    public var lanes = 1
    /// The memory that a batch may take before it is closed, or written while it is read; nil for the usual.
    public var maxBytes: Int?
}
