import Capture
import Catalog
import Copying
import Failpoints
import Logging
import Observability
import Postgres
import Spool
import Threading

/// What is done on both servers when nothing is followed any more.
public struct CloneEnd: Sendable {
    private static let attempts = 3

    private let options: CloneOptions
    private let logger: Logger

    /// The end of the migration with these options.
    public init(_ options: CloneOptions, logger: Logger) {
        self.options = options
        self.logger = logger
    }

    /// Gives the target's sequences the source's values, and reads them back.
    ///
    /// - Returns: how many there are.
    @discardableResult
    public func setSequences() throws -> Int {
        let source = try Connection(options.source, applicationName: DatabaseSession.applicationName)
        let selection = try options.adoptingJournal().selection()
        let target = try TargetDatabase(options.target)
        // A value that the source gives out meanwhile must not be given out again.
        for _ in 1...Self.attempts {
            try target.set(try SourceSnapshot.sequences(on: source, selection))
            let (now, there) = (
                try SourceSnapshot.sequences(on: source, selection), try SourceSnapshot.sequences(on: target.connection)
            )
            if try SequenceOrder(on: target.connection).behind(there, now).isEmpty { return now.count }
        }
        let behind = try SequenceOrder(on: target.connection).behind(
            try SourceSnapshot.sequences(on: target.connection), try SourceSnapshot.sequences(on: source, selection))
        throw ProgramFailure(
            .conflict,
            "the target's sequences do not reach the source's: \(Figures.some(behind)). Something still takes values from "
                + "them on the source: stop it, or use --fence")
    }

    /// A slot that is being made waits for transactions that are open, for as long as they are, and does not notice that
    /// whoever wanted it is gone. Nobody streams from it yet.
    private func endMaking(_ slot: String, _ source: Connection) throws {
        try source.query(
            """
            SELECT pg_catalog.pg_terminate_backend(active_pid) FROM pg_catalog.pg_replication_slots
             WHERE slot_name OPERATOR(pg_catalog.=) $1 AND confirmed_flush_lsn IS NULL AND active_pid IS NOT NULL
            """, [slot], doing: "ending the session that still makes slot \"\(slot)\"")
    }

    /// Names are not enough: where no journal says what is ours, the target's row says whose position it is.
    private func checkRow(of source: Source) throws {
        guard let row = try TargetDatabase(options.target).connection.progressRows(options.stream).first else { return }
        let isOurs =
            row.systemIdentifier == source.identity.systemIdentifier && row.database == source.catalog.database
            && row.slot == options.slot
        guard !isOurs else { return }
        throw ProgramFailure(
            .foreign,
            "the target's position \"\(options.stream)\" is of database \"\(row.database)\" of system \(row.systemIdentifier) by slot "
                + "\"\(row.slot)\", not of this source and slot: nothing was changed. Name the right server, --slot-name and "
                + "--origin, or the folder of the migration with --dir")
    }

    /// Drops the slot, the publications that were made with it, and the target's position. What is not there is fine.
    public func dropSlotAndPosition() throws {
        try dropSlotAndPosition(follows: true)
    }

    func dropSlotAndPosition(follows: Bool) throws {
        if follows {
            let source = try Source(options.source)
            let hasJournal = try CloneJournal.read(SpoolDirectory(options.spool)) != nil
            if !hasJournal { try checkRow(of: source) }
            // The walsender of a receive that was killed takes a moment to see it.
            let patience = Deadline.after(milliseconds: 15_000)
            while true {
                do {
                    if try source.dropSlot(options.slot, ifExists: true) {
                        logger.info("dropped slot \"\(options.slot)\"")
                    }
                    break
                } catch let error as CaptureError where error.code == .slotMismatch && hasJournal {
                    // Ours is gone, and another migration has the name.
                    logger.warning("\(error)")
                    break
                } catch let error as CaptureError where error.code == .slotActive && !patience.hasPassed {
                    try endMaking(options.slot, source.catalog)
                    _ = Polling.wait(-1, until: .after(milliseconds: 100))
                }
            }
            Failpoint.afterSlotDrop.reach()
            for name in try source.dropPublications(of: options.slot) { logger.info("dropped publication \"\(name)\"") }
        }
        Failpoint.beforePositionDrop.reach()
        let target = try TargetDatabase(options.target)
        // What an interrupted copy has made stays known as its own, if it has made anything.
        if let journal = try CloneJournal.read(SpoolDirectory(options.spool)),
            try journal.phase != .copying || UserObject.all(on: target.connection).isEmpty
        {
            try TargetMark(target.connection).remove(journal.id)
        }
        guard try target.dropPosition(options.stream) else { return }
        logger.info("removed the target's position \"\(options.stream)\"")
    }
}
