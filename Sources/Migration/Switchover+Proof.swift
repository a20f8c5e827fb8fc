import Catalog
import Comparison
import Copying
import Logging
import Observability
import Postgres
import Spool
import Threading

// What must be true beside the position, before a switchover says that the target has everything.
extension Switchover {
    /// Both sides have the same definitions; nobody can change those of the source any more where it is fenced.
    @Sendable func checkDefinitions(_ drift: Drift) throws {
        guard !drift.serious.isEmpty else { return }
        let words = "definitions changed since the copy: \(Figures.some(drift.serious.map(\.sentence)))"
        guard wishes.acceptsDrift else { throw ProgramFailure(.drift, "\(words). \(Drift.remedyAsSentence)") }
        logger.warning("\(words); continuing as asked")
    }

    /// Up to where the target must have everything.
    struct End: Sendable {
        /// The last transaction that it must have, which is ours.
        var marker: LSN
        /// The source's position after it.
        var position: LSN
        /// The number of that transaction, if all that had got one before were complete; nil if not.
        var xid: UInt64?
    }

    /// A transaction of ours is the last that the target must have: when its position is past that, it has all before.
    @Sendable func endPosition(_ source: Connection) throws -> End {
        let writers = try OtherSessions(source: source).list(besidesOurs: true).count
        if writers > 0 {
            logger.warning(
                "\(Figures.counted(writers, "other session")) connected to the source: what is written from now on is lost"
            )
        }
        let doing = "taking the end position"
        try source.execute("BEGIN", doing: doing)
        let marker = try source.execute(
            "SELECT pg_catalog.pg_logical_emit_message(true, 'walrelay', 'switchover')", doing: doing)
        let numbers = try source.execute(
            """
            SELECT pg_catalog.txid_current(), pg_catalog.txid_snapshot_xmin(s), pg_catalog.txid_snapshot_xmax(s)
              FROM pg_catalog.txid_current_snapshot() s
            """, doing: doing)
        try source.execute("COMMIT", doing: doing)
        let end = try source.currentPosition(doing: doing)
        // A crash must not take back what the end is to be behind.
        try source.makeCommitsDurable()
        guard let marker = marker.text(0, 0).flatMap({ LSN($0) }) else {
            throw PostgresError(.unexpectedAnswer, "the answer cannot be read", doing: doing)
        }
        // A snapshot ends behind the last number that is complete.
        let values = (0..<3).compactMap { numbers.text(0, $0).flatMap { UInt64($0) } }
        let isAlone = values.count == 3 && Set(values).count == 1
        return End(marker: marker, position: end, xid: isAlone ? values[0] : nil)
    }

    /// Waits until the target's position is past the end, durably.
    func awaitApplied(_ end: End, _ follower: SwitchoverFollower, _ stop: StopRequest, _ target: Connection) throws {
        var spoken = Deadline.after(milliseconds: 5_000)
        var isKnown = false
        while true {
            let found = try target.committedPosition(options.stream, isKnown: isKnown)
            isKnown = found != nil
            let position = found ?? .zero
            if position >= end.marker { break }
            guard !stop.isRequested else { throw Self.stopped }
            try follower.look()
            if spoken.hasPassed {
                logger.info("the target is at \(position), and is to come to \(end.position)")
                spoken = .after(milliseconds: 5_000)
            }
            _ = Polling.wait(stop.descriptor, until: .after(milliseconds: 5))
        }
        let position = try target.durablePosition(options.stream) ?? .zero
        guard position >= end.marker else { throw Self.isBehind(position, end.position) }
    }

    /// Nobody applies anything any more, also no replay that outlived its clone, and the target still has everything.
    ///
    /// - Returns: up to where the target has everything.
    func awaitRest(_ end: End, _ follower: SwitchoverFollower, _ stop: StopRequest) throws -> LSN {
        try follower.awaitRest(stop)
        let position = try target.use {
            try TargetDatabase.settledPosition(options, on: $0, stop: stop, logger: logger)
        }
        guard position >= end.marker else { throw Self.isBehind(position, end.position) }
        return position
    }

    private static func isBehind(_ position: LSN, _ end: LSN) -> ProgramFailure {
        ProgramFailure(.incomplete, "the target is at \(position), before the last transaction up to \(end)")
    }

    /// Brings it over.
    ///
    /// - Returns: what differed.
    func bringRest(_ plan: RestPlan, _ journal: CloneJournal, _ stop: StopRequest) throws -> [String] {
        return try RestCopy(
            options: options.adopting(journal), plan: plan, policy: wishes.rest, acceptsDrift: wishes.acceptsDrift,
            stop: stop, progress: progress,
            logger: logger
        ).run()
    }

    /// Nothing was committed on the source that the target does not have.
    ///
    /// - Parameter position: up to where the target has everything. What was committed between our own transaction and the
    ///   end position is late, too, when it was not applied before the stages ended.
    func checkLateChanges(_ journal: CloneJournal, after position: LSN, _ end: End, on source: Connection) throws {
        let position = min(position, end.position)
        // Otherwise the log since then must be read, and what the slot has be decoded.
        if let xid = end.xid, try LateWrites.isQuiet(since: xid, source) { return }
        let count: Int
        do {
            count = try LateWrites(source: source, journal: journal, spool: spool).count(after: position)
        } catch let error as PostgresError where error.sqlState == .insufficientPrivilege {
            return logger.warning(
                "not looked for changes after the end position, because the role may not: \(error)")
        }
        guard count > 0 else { return }
        throw ProgramFailure(
            .conflict,
            "committed on the source: \(Figures.counted(count, "change")) after the position \(position), so the target does not have "
                + "everything and the switchover is not made. Stop the application first"
                + (wishes.fences ? "" : ", or use --fence") + ", and run it again")
    }
}
