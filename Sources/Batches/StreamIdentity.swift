import Postgres

/// Where a stream of changes comes from: what the header of a log segment says about its source.
public struct StreamIdentity: Sendable, Equatable {
    /// `system_identifier` of the source cluster.
    public var systemIdentifier: String
    /// The source's timeline.
    public var timeline: UInt32
    /// Where the timelines before it ended.
    public var history: [TimelineEnd]
    /// The log that the stream comes from; nil where nothing names it.
    public var logID: String?
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
        systemIdentifier: String, timeline: UInt32, history: [TimelineEnd] = [], logID: String? = nil,
        database: String, slot: String, encoding: String, serverVersion: Int, start: LSN
    ) {
        self.systemIdentifier = systemIdentifier
        self.timeline = timeline
        self.history = history
        self.logID = logID
        self.database = database
        self.slot = slot
        self.encoding = encoding
        self.serverVersion = serverVersion
        self.start = start
    }

    /// Checks that a stream which begins after `from` can begin here.
    public func check(hasAllAfter from: LSN) throws(BatchError) {
        guard encoding == "UTF8" || encoding == "SQL_ASCII" else {
            throw BatchError(
                .unsupportedFormat, "the log's encoding is \"\(encoding)\"; receive in UTF8 or SQL_ASCII")
        }
        guard from >= start else {
            throw BatchError(
                .gap,
                "the log begins at \(start), after the wanted start \(from): what lies between is missing; "
                    + "add the segments before it, or start from a new copy", lsn: start)
        }
    }

    /// Checks that a segment of `next` continues where this stream, complete up to `reached`, ends.
    public func check(isContinuedBy next: StreamIdentity, at reached: LSN) throws(BatchError) {
        guard systemIdentifier == next.systemIdentifier, database == next.database else {
            throw BatchError(
                .foreignStream,
                "the stream continues with system \(next.systemIdentifier), database \"\(next.database)\", but it "
                    + "began with system \(systemIdentifier), database \"\(database)\"; give it the segments of one "
                    + "source only", lsn: next.start)
        }
        guard logID == nil || next.logID == nil || logID == next.logID else {
            throw BatchError(
                .foreignStream,
                "the stream continues with the log \(next.logID ?? ""), but it began with the log \(logID ?? ""); give it the "
                    + "segments of one log only", lsn: next.start)
        }
        try check(isFollowedBy: next, at: reached)
        guard next.start <= reached else {
            throw BatchError(
                .gap,
                "the log ends at \(reached) and continues at \(next.start): a segment is missing between them; name all "
                    + "segments, in order", lsn: next.start)
        }
    }

    /// Checks that another timeline of the source branched off no earlier than where this stream is.
    private func check(isFollowedBy next: StreamIdentity, at reached: LSN) throws(BatchError) {
        guard timeline != next.timeline else { return }
        guard let end = next.history.end(of: timeline) else {
            throw BatchError(
                .foreignStream,
                "the stream continues with timeline \(next.timeline), whose history does not have timeline \(timeline), with "
                    + "which it began; give it the segments of one history only", lsn: next.start)
        }
        guard reached <= end else {
            throw BatchError(
                .foreignStream,
                "the stream has everything up to \(reached), but timeline \(next.timeline), with which it continues, branched "
                    + "off at \(end): what lies between is not part of it. Start from a new copy", lsn: next.start)
        }
    }
}
