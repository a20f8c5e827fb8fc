import Batches
import Postgres

/// The log that the batches come from, for a range that must be written again: after a collision of net changes, or when
/// the target lost what it had not made durable.
public protocol BatchLog: Sendable {
    /// The batches from `from` to `to`, which ends with an end line at `to`.
    ///
    /// - Parameter origin: the replication origin that the text is to name.
    func batches(from: LSN, to: LSN, order: BatchPreamble.Order, origin: String) throws -> any ByteSource
}
