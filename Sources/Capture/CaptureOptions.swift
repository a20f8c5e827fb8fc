import Postgres
import Spool
import Threading

/// How to capture.
public struct CaptureOptions: Sendable {
    /// The source server.
    public var source: ConnectionString
    /// The slot to stream from.
    public var slot: String
    /// The publications to decode; empty for those with the slot's name.
    public var publications: [String]
    /// Where to put the log; nil for standard output.
    public var spool: SpoolDirectory?
    /// Where to end.
    public var end: EndPosition
    /// Seconds between status replies to the source.
    public var statusInterval: Int
    /// Milliseconds after which written bytes are made durable.
    public var syncInterval: Int
    /// Compressed bytes after which a segment is sealed at the next commit.
    public var segmentSize: UInt64
    /// Seconds after which a segment is sealed at the next commit; 0 for never.
    public var segmentAge: Int
    /// Have large transactions sent while they are still in progress, where the source can and there is a spool.
    public var streaming = true
    /// Bytes of log at which the capture stops reading until there is room; nil for no quota.
    public var maxSpoolSize: UInt64?
    /// Bytes of free disk below which the capture stops reading.
    public var minFreeDisk: UInt64 = 0
    /// Seconds of silence after which the source is asked for an answer, and after which again the connection counts as
    /// lost; 0 for never.
    public var silenceLimit = 60
    /// Connect again when the connection is lost.
    public var reconnects = true
    /// The target whose position decides what is acknowledged, when there is no spool that is durable.
    public var acknowledgingTarget: (string: ConnectionString, stream: String)?
    /// Values are sent in binary form (14 and newer).
    public var binary = false
    /// The user's wish to seal the open segment.
    public var rotation: RotationRequest?
    /// What to do with sealed segments.
    public var keeper = SpoolKeeper.Options()
    /// The version of this program, for the segment headers.
    public var tool: String

    /// Options with their defaults.
    public init(source: ConnectionString, slot: String, publications: [String], tool: String) {
        self.source = source
        self.slot = slot
        self.publications = publications
        self.tool = tool
        spool = nil
        end = .none
        statusInterval = 10
        syncInterval = 200
        segmentSize = 64 << 20
        segmentAge = 0
        acknowledgingTarget = nil
    }

    /// Whether a server of the given version is asked to stream transactions in progress.
    func streams(_ serverVersion: Int) -> Bool {
        streaming && spool != nil && serverVersion >= 140_000
    }

    /// Raw bytes of records at which a chunk is closed.
    static let chunkSize = 512 << 10
    /// Milliseconds for which a commit may wait for company in its chunk.
    static let chunkDelay = 3
    /// Seconds of silence after which a source counts as idle.
    static let idleAfter = 2
    /// Seconds of silence before the end position after which the source is nudged.
    static let nudgeAfter = 2
}
