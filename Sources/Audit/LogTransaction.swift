import PgOutput
import Postgres

/// What is known of a transaction while its changes pass.
public struct LogTransaction: Sendable, Equatable {
    /// Its Begin message.
    public let begin: Message.Begin
    /// The end of the transaction before it, or of the log's start: the position from which it is the first.
    public let previous: LSN
    /// Row changes so far, truncated tables together counted as one. While a change is shown, its number: with the
    /// transaction's position it names the change for ever.
    public var changes = 0
    /// Bytes of its records so far.
    public var bytes: UInt64 = 0
    /// Where its first change lies in the WAL.
    public var firstChange: LSN?

    /// A transaction that begins.
    public init(_ begin: Message.Begin, previous: LSN) {
        self.begin = begin
        self.previous = previous
    }
}
