import Postgres

/// How batches are applied.
public struct ApplyOptions: Sendable {
    /// The name of the target's position; nil for the one that the preamble gives.
    public var stream: String?
    /// A log that continues the one that the position is of, as the user says.
    public var acceptedLog: String?
    /// The session's `synchronous_commit`. Rows and position are as durable as each other either way.
    public var synchronousCommit: SynchronousCommit
    /// How long to wait for a position that another session holds, in seconds.
    public var positionWaitSeconds: Int
    /// An input that ends between batches without an end mark is a success.
    public var allowsOpenEnd: Bool
    /// What a commit on the target waits for, as PostgreSQL's setting of that name has it.
    public enum SynchronousCommit: String, Sendable, CaseIterable {
        case off, local
        case remoteWrite = "remote_write"
        case on
        case remoteApply = "remote_apply"
    }

    /// What to do when a statement changed another number of rows than on the source.
    public enum Mismatch: String, Sendable, CaseIterable {
        /// Roll the batch back and stop.
        case error
        /// Log each and continue: the target is then not what the source is.
        case warn
        /// Continue, and only count them: as a native subscription does.
        case skip
    }

    /// What to do when a statement changed another number of rows than on the source.
    public var onMismatch: Mismatch
    /// A lost connection, a deadlock or a serialization failure is not the end: the batch is applied again.
    public var reconnects: Bool
    /// The log that the batches come from; without it a collision of net changes is an error.
    public var log: (any BatchLog)?
    /// Which filter file ``log`` is read with: as a preamble's `filter` says it.
    public var logFilter: String?
    /// How many connections apply a batch, if it is written for as many lanes. More than one needs ``log``.
    public var jobs: Int
    /// A batch of fewer changes is applied on one connection: several transactions cost more than they save.
    public var jobsMinChanges: Int
    /// Transactions of the source that are left out, by the positions at which they end.
    public var skips: Set<LSN>
    /// So many times in a row the session may be lost while one batch is applied, before that counts as refused.
    public var lossesMax: Int
    /// What is named as the writer of the target's position.
    public var tool: String
    /// The folder that takes the report about a refused statement, with its row; nil for none.
    public var reportFolder: String?
    /// Triggers and foreign keys of the target are switched off by `session_replication_role`. Without, there must be none
    /// that would act.
    public var usesReplicaRole: Bool
    /// Statements are sent when they reach this many bytes, more on a long way; at most twice as much is in memory.
    public var sendBytes: Int

    /// The defaults, and what differs from them.
    public init(
        stream: String? = nil, acceptedLog: String? = nil, synchronousCommit: SynchronousCommit = .off,
        positionWaitSeconds: Int = 30, allowsOpenEnd: Bool = false, onMismatch: Mismatch = .error,
        reconnects: Bool = true, log: (any BatchLog)? = nil, jobs: Int = 1, jobsMinChanges: Int = 1000,
        skips: Set<LSN> = [], lossesMax: Int = 10, tool: String = "walrelay", reportFolder: String? = nil,
        usesReplicaRole: Bool = true, sendBytes: Int = 256 << 10
    ) {
        self.stream = stream
        self.acceptedLog = acceptedLog
        self.synchronousCommit = synchronousCommit
        self.positionWaitSeconds = positionWaitSeconds
        self.allowsOpenEnd = allowsOpenEnd
        self.onMismatch = onMismatch
        self.reconnects = reconnects
        self.log = log
        self.jobs = jobs
        self.jobsMinChanges = jobsMinChanges
        self.skips = skips
        self.lossesMax = lossesMax
        self.tool = tool
        self.reportFolder = reportFolder
        self.usesReplicaRole = usesReplicaRole
        self.sendBytes = sendBytes
    }
}
