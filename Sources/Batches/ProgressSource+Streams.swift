import Postgres

extension ProgressSource {
    /// What a stream comes from.
    public init(_ preamble: BatchPreamble) {
        self.init(
            systemIdentifier: preamble.systemIdentifier, database: preamble.database, slot: preamble.slot,
            logID: preamble.logID, timeline: preamble.timeline, history: preamble.history)
    }

    /// What a segment's log comes from.
    public init(_ identity: StreamIdentity) {
        self.init(
            systemIdentifier: identity.systemIdentifier, database: identity.database, slot: identity.slot,
            logID: identity.logID, timeline: identity.timeline, history: identity.history)
    }
}
