import Failpoints
import Logging
import Observability
import Postgres
import Spool

/// Gives up following: no slot, no publication of ours, no position.
public struct CloneCleanup {
    private let options: CloneOptions
    private let logger: Logger

    /// The clean-up behind the migration with these options.
    public init(_ options: CloneOptions, logger: Logger) {
        self.options = options
        self.logger = logger
    }

    /// Drops what is there, of all directions.
    ///
    /// - Throws: `SpoolError` with `locked` while a clone runs.
    public func run() throws {
        let directions = try options.directions()
        for direction in directions.reversed() {
            try CloneCleanup(direction, logger: logger).endOne()
        }
        for direction in directions.dropLast() {
            guard try CloneJournal.read(SpoolDirectory(direction.spool))?.fencedAt != nil else { continue }
            let undo = SourceFence.undo(direction.source.parameters["dbname"] ?? "…")
            logger.warning("a database stays read-only, as a switchover has made it; to undo that, run there: \(undo)")
        }
    }

    /// Drops what is there of this direction.
    private func endOne() throws {
        let spool = SpoolDirectory(options.spool)
        guard var journal = try CloneJournal.read(spool) else {
            return try CloneEnd(options, logger: logger).dropSlotAndPosition()
        }
        let lock = try spool.lockForClone()
        defer { withExtendedLifetime(lock) {} }
        guard journal.slot == options.slot, journal.stream == options.stream else {
            throw ProgramFailure(
                .foreign,
                "\(options.spool) belongs to a migration with slot \"\(journal.slot)\" and position \"\(journal.stream)\"; "
                    + "name them with --slot-name and --origin")
        }
        // Of other servers, what has the same names is somebody else's.
        if journal.phase != .done { try MigrationIdentity.check(options) }
        try WayBack(options, logger: logger).remove()
        journal = try CloneJournal.read(spool) ?? journal
        try CloneEnd(options, logger: logger).dropSlotAndPosition(follows: journal.follows)
        // An incomplete copy stays known as one, so that the next run can drop it.
        guard journal.phase == .following else { return }
        if journal.late != nil, journal.late != .made, let late = try? LateDefinitions.read(spool), !late.items.isEmpty
        {
            logger.warning(
                """
                not on the target, because there was no switchover: \(late.words); \(spool.statePath)/late.json has the \
                statements
                """)
        }
        for statement in journal.unvalidated ?? [] { logger.warning("run on the target: \(statement)") }
        for view in journal.unrefreshed ?? [] {
            logger.warning("run on the target: REFRESH MATERIALIZED VIEW \(view);")
        }
        Failpoint.beforeDone.reach()
        journal.phase = .done
        if journal.switchedAt == nil && journal.isEnding != true {
            journal.givenUpAt = Timestamp.now.description
            logger.warning(
                "given up before a switchover: the target stays as it is, and no change of the source comes to it any more"
            )
        }
        try journal.write(spool)
    }
}
