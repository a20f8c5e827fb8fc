/// Counts of what a renderer wrote.
public struct RenderStatistics: Sendable, Equatable {
    /// Batches written whole.
    public var batches = 0
    /// Source transactions, those without changes included.
    public var transactions = 0
    /// Row changes and TRUNCATEs of the source.
    public var changes = 0
    /// Text written, in bytes.
    public var bytes = 0

    /// Nothing yet.
    public init() {}
}
