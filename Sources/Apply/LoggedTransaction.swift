import Postgres

/// A source transaction as the log has it, for a user who leaves it out.
public struct LoggedTransaction: Sendable {
    /// The end of the commit before it.
    public var previousEnd: LSN
    /// Where its commit ends.
    public var end: LSN
    /// When it committed on the source, in UTC.
    public var committedAt: String
    /// Its row changes and TRUNCATEs.
    public var changes: Int
    /// The tables that it changes, quoted.
    public var tables: [String]

    /// A transaction of the log.
    public init(previousEnd: LSN, end: LSN, committedAt: String, changes: Int, tables: [String]) {
        self.previousEnd = previousEnd
        self.end = end
        self.committedAt = committedAt
        self.changes = changes
        self.tables = tables
    }
}
