/// How batches are applied.
public struct ApplyOptions: Sendable {
    /// The replication origin; nil for the one that the stream's preamble names.
    public var origin: String?
    /// How long to wait for an origin that another session holds, in seconds.
    public var originWaitSeconds: Int
    /// An input that ends between batches without an end mark is a success.
    public var allowsOpenEnd: Bool
    /// What to do when a statement changed another number of rows than on the source.
    public enum Mismatch: String, Sendable, CaseIterable {
        /// Roll the batch back and stop.
        case error
        /// Log it and go on: the target is then not what the source is.
        case warn
    }

    /// What to do when a statement changed another number of rows than on the source.
    public var onMismatch: Mismatch
    /// A lost connection, a deadlock or a serialization failure is not the end: the batch is applied again.
    public var reconnects: Bool
    /// The log that the batches come from; without it a collision of net changes is an error.
    public var log: (any BatchLog)?
    /// How many connections apply a batch, if it is written for as many lanes. More than one needs ``log``.
    public var jobs: Int
    /// A batch of fewer changes is applied on one connection: several transactions cost more than they save.
    public var jobsMinChanges: Int
    /// Statements are sent when they reach this many bytes; at most twice as much is in flight.
    public var sendBytes: Int

    /// The defaults, and what differs from them.
    public init(
        origin: String? = nil, originWaitSeconds: Int = 30, allowsOpenEnd: Bool = false, onMismatch: Mismatch = .error,
        reconnects: Bool = true,
        log: (any BatchLog)? = nil, jobs: Int = 1, jobsMinChanges: Int = 1000,
        sendBytes: Int = 256 << 10
    ) {
        self.origin = origin
        self.originWaitSeconds = originWaitSeconds
        self.allowsOpenEnd = allowsOpenEnd
        self.onMismatch = onMismatch
        self.reconnects = reconnects
        self.log = log
        self.jobs = jobs
        self.jobsMinChanges = jobsMinChanges
        self.sendBytes = sendBytes
    }
}
