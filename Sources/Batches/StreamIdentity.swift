import Postgres

/// Where a stream of changes comes from: what the header of a log segment says about its source.
public struct StreamIdentity: Sendable, Equatable {
    /// `system_identifier` of the source cluster.
    public var systemIdentifier: String
    /// The source's timeline.
    public var timeline: Int
    /// The source database.
    public var database: String
    /// The logical slot.
    public var slot: String
    /// The encoding of the text: `UTF8` or `SQL_ASCII`.
    public var encoding: String
    /// The source's version as `server_version_num`.
    public var serverVersion: Int
    /// The position after which the stream begins.
    public var start: LSN

    /// The identity of one source.
    public init(
        systemIdentifier: String, timeline: Int, database: String, slot: String, encoding: String,
        serverVersion: Int, start: LSN
    ) {
        self.systemIdentifier = systemIdentifier
        self.timeline = timeline
        self.database = database
        self.slot = slot
        self.encoding = encoding
        self.serverVersion = serverVersion
        self.start = start
    }
}
