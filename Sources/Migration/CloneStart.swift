import Capture
import Catalog
import Copying
import Failpoints
import Glibc
import Logging
import Observability
import Postgres
import Spool
import Threading

/// Where a run begins: with an empty target, with what an earlier run left unfinished, or behind a complete copy.
struct CloneStart {
    private(set) var options: CloneOptions
    let logger: Logger
    let spool: SpoolDirectory

    init(_ options: CloneOptions, logger: Logger) {
        self.options = options
        self.logger = logger
        spool = SpoolDirectory(options.spool)
    }

    /// The journal to continue with; a new one, already written, when the copy is to be made.
    mutating func journal(stop: StopRequest) throws -> CloneJournal {
        let source = try Connection(options.source, applicationName: DatabaseSession.applicationName)
        let target = try TargetDatabase(options.target)
        let asked = options.filters
        options.filters = try options.addingProvidersSchemas(of: source)
        if let old = try CloneJournal.read(spool) {
            try check(old, source, target)
            guard old.adopted != true || !options.restarts && old.phase != .copying else {
                throw ProgramFailure(
                    .usage,
                    "\(options.spool) has not copied what its target holds, so that --restart would drop what cannot be copied "
                        + "again: leave it out. To begin another migration use another --dir")
            }
            let isOther = asked != nil && options.filters != old.filters
            guard old.phase != .following || options.restarts || !isOther else {
                throw ProgramFailure(
                    .usage,
                    "the copy in \(options.spool) was made with other filters, which cannot be changed any more: leave "
                        + "--filters away to continue with those")
            }
            guard old.phase == .copying || options.restarts else { return try resumed(old, target) }
            guard old.phase != .done, old.switchedAt == nil else {
                throw ProgramFailure(
                    .usage,
                    "the migration in \(options.spool) is complete, and the target may be in use: --restart would drop it. "
                        + "For another migration use an empty database and another --dir")
            }
            guard !old.follows || options.follows || options.restarts || old.consistentPoint == nil else {
                throw ProgramFailure(
                    .usage,
                    "the copy in \(options.spool) was begun with --follow and is not complete: add --follow to resume it, or "
                        + "--restart to drop what it made and begin one that is not followed")
            }
            if asked == nil { options.filters = nil }
            if let resumed = try interrupted(old, source, target) { return resumed }
            options.filters = try options.addingProvidersSchemas(of: source)
            try undo(old, source, target)
            // A command without filters does not mean to have everything now.
            if !options.restarts && asked == nil { options.filters = old.filters }
        } else if try spool.identity() != nil {
            throw ProgramFailure(
                .foreign,
                "\(options.spool) holds the log of something else, and no journal of a clone; use another --dir")
        }
        let preflight = try Preflight(options, source: source, target: target.connection)
        let (here, there) = try preflight.run(logger: logger, stop: stop)
        try preflight.checkUnused(logger: logger)
        var journal = CloneJournal(
            tool: options.tool, started: Timestamp.now.description, source: here, target: there,
            follows: options.follows, slot: options.slot, stream: options.stream, publications: options.publications,
            extensions: try target.extensions())
        journal.filters = options.filters
        if options.skipsLargeObjects { journal.skipsLargeObjects = true }
        if preflight.leavesTriggersLate { journal.late = .waiting }
        if preflight.findsContents && !options.dropsIfExists { journal.existing = try target.drops(besides: []) }
        journal.id = SpoolIdentity.randomName()
        try journal.write(spool)
        Failpoint.afterJournal.reach()
        if journal.follows { try journal.makeSpool(spool) }
        // Looked at before: nothing but what the source has, too, and what is selected.
        if options.dropsIfExists { try target.clear(keeping: journal.extensions) }
        return journal
    }

    /// What a copy made may be changed or dropped only when the target itself says that it is this copy's: the journal may
    /// be an old one, and the target in use by now.
    ///
    /// - Returns: false when there is nothing in the target, of this copy or another.
    private func checkMark(_ old: CloneJournal, _ target: TargetDatabase) throws -> Bool {
        let mark = TargetMark(target.connection)
        switch try old.id.flatMap({ id throws(PostgresError) in try mark.state(of: id) }) {
        case .copying: return true
        case .following where options.restarts: return true
        case let state:
            guard try !UserObject.all(on: target.connection).isEmpty else { return false }
            let knows =
                state.map { "says that this migration is \($0.rawValue) (walrelay.migration)" }
                ?? "does not know of this copy"
            throw ProgramFailure(
                .foreign,
                "the target \(knows), and only the journal in \(options.spool) says that its contents are an unfinished copy: "
                    + "nothing there is changed. If the target is in use, the journal is an old one: use another --dir. To copy "
                    + "again, give the target an empty database")
        }
    }

    private func check(_ old: CloneJournal, _ source: Connection, _ target: TargetDatabase) throws {
        let here = try DatabaseSession.identity(source)
        let there = try DatabaseSession.identity(target.connection)
        let isUpgraded = try old.phase == .following && MigrationIdentity.isSame(target, there, old)
        guard old.source == here, old.target == there || isUpgraded, old.slot == options.slot,
            old.stream == options.stream
        else {
            throw ProgramFailure(
                .foreign,
                "\(options.spool) belongs to another migration, from database \"\(old.source.name)\" of system "
                    + "\(old.source.systemIdentifier) to \"\(old.target.name)\" of \(old.target.systemIdentifier) by slot "
                    + "\"\(old.slot)\" and position \"\(old.stream)\"; use another --dir, or name the same servers")
        }
    }

    private func resumed(_ old: CloneJournal, _ target: TargetDatabase) throws -> CloneJournal {
        guard old.phase == .following else {
            if old.phase == .done { try TargetMark(target.connection).remove(old.id) }
            return old
        }
        if let end = old.switchedAt {
            throw ProgramFailure(
                .usage, "the migration in \(options.spool) was switched over at \(end); run clone cleanup")
        }
        guard options.follows else {
            throw ProgramFailure(
                .usage, "the copy is complete and its changes are being followed: add --follow to continue")
        }
        if old.isEnding == true { return old }
        guard try spool.isFree(within: 15_000) else {
            throw ProgramFailure(.locked, "another receive writes to \(options.spool); stop it first")
        }
        if old.adopted != true { try TargetMark(target.connection).set(.following, of: old.id) }
        var journal = old
        journal.pid = getpid()
        journal.target = try DatabaseSession.identity(TargetDatabase(options.target).connection)
        if journal.target != old.target {
            logger.info("the target is another cluster now, as pg_upgrade makes one; it has this migration's position")
        }
        try journal.write(spool)
        logger.info("resuming: the copy of \(old.consistentPoint ?? .zero) is complete")
        return journal
    }

    /// The journal of a copy that can be resumed: its slot, if it has one, has kept everything since.
    private func interrupted(
        _ old: CloneJournal, _ source: Connection, _ target: TargetDatabase
    ) throws -> CloneJournal? {
        guard old.isResumable, options.follows == old.follows, !options.restarts,
            options.publications.isEmpty || options.publications == old.publications,
            options.filters == nil || options.filters == old.filters
        else { return nil }
        if old.follows {
            guard let slot = try SlotState.read(old.slot, on: source), slot.walStatus != "lost",
                slot.invalidationReason == nil
            else { return nil }
        }
        guard try spool.isFree(within: 15_000) else {
            throw ProgramFailure(.locked, "another receive writes to \(options.spool); stop it first")
        }
        guard try checkMark(old, target) else { return nil }
        try target.endOtherSessions()
        var journal = old
        journal.pid = getpid()
        if options.skipsLargeObjects { journal.skipsLargeObjects = true }
        try journal.write(spool)
        logger.warning("an earlier copy was interrupted; resuming with what is missing of it")
        return journal
    }

    /// Removes what a copy that was never completed has left on both sides.
    private func undo(_ old: CloneJournal, _ source: Connection, _ target: TargetDatabase) throws {
        logger.warning(
            old.phase == .copying
                ? "an earlier copy was interrupted before it was complete; dropping what it made, and starting over"
                : "--restart: dropping what the earlier run made, and starting over")
        guard try spool.isFree(within: 15_000) else {
            throw ProgramFailure(.locked, "another receive writes to \(options.spool); stop it first")
        }
        _ = try checkMark(old, target)
        try target.endOtherSessions()
        if !options.restarts { try checkIsCopy(source, target, old.existing) }
        try target.clear(keeping: old.extensions, old.existing)
        try CloneEnd(options, logger: logger).dropSlotAndPosition(follows: old.follows)
        try spool.removeLog()
        unlink(spool.definitionsPath)
        try CloneJournal.remove(spool)
    }

    /// The target was empty when the copy began. What the source does not have was made by someone else.
    private func checkIsCopy(_ source: Connection, _ target: TargetDatabase, _ existing: [String]?) throws {
        let own = Set(try UserObject.all(on: source))
        let foreign = try UserObject.all(on: target.connection).filter { !own.contains($0) }.map(\.label)
        guard foreign.isEmpty || existing != nil else {
            throw ProgramFailure(
                .unsuitableServer,
                "the target holds what the source does not: \(Figures.some(foreign)); drop it, or say --restart to drop "
                    + "everything in the target's database \"\(target.connection.database)\"")
        }
    }
}
