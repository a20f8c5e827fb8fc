import Postgres

/// How batches are cut and which transactions they hold.
public struct RenderOptions: Sendable {
    /// How changes become statements.
    public var order: BatchPreamble.Order
    /// The name that the position has on the target.
    public var stream: String
    /// The log that segments are of which do not say it themselves; nil where it is not known.
    public var logID: String?
    /// A batch is closed at the first commit at which it holds this many changes.
    public var maxChanges: Int
    /// A batch is closed at the first commit at which its text is this long, in bytes; a longer transaction is written
    /// in several flushes as a batch of its own.
    public var maxBytes: Int
    /// Transactions whose commit ends at or before this position are left out.
    public var from: LSN?
    /// Transactions whose commit ends after this position are left out.
    public var to: LSN?
    /// Which tables, under which names, and how.
    public var tables: TableRules
    /// The lanes that the statements of a batch are divided into, so that as many connections can apply them; only net
    /// changes can be.
    public var lanes: Int
    /// What the preamble names as its writer.
    public var tool: String

    /// The defaults, and what differs from them.
    public init(
        order: BatchPreamble.Order = .net, stream: String = "walrelay", logID: String? = nil, maxChanges: Int = 200_000,
        maxBytes: Int = 16 << 20,
        from: LSN? = nil,
        to: LSN? = nil, tables: TableRules = TableRules(), lanes: Int = 1, tool: String = "walrelay"
    ) {
        self.order = order
        self.stream = stream
        self.logID = logID
        self.maxChanges = max(1, maxChanges)
        self.maxBytes = max(1, maxBytes)
        self.from = from
        self.to = to
        self.tables = tables
        self.lanes = order == .net ? min(max(1, lanes), BatchPreamble.lanesMax) : 1
        self.tool = tool
    }
}
