import ArgumentParser
import Capture
import CommandSupport
import Logging
import Postgres
import Spool
import Threading

/// What to do with the slot, as pg_recvlogical names it.
struct SlotActions: ParsableArguments {
    @Flag(help: "Create the slot; then exit, unless --start is given too.")
    var createSlot = false

    @Flag(help: "Drop the slot, then exit.")
    var dropSlot = false

    @Flag(help: "Stream changes (what receive does when no action is given).")
    var start = false

    @Flag(help: "With --drop-slot: a missing slot is fine.")
    var ifExists = false

    @Flag(help: "With --create-slot: an existing slot is fine.")
    var ifNotExists = false

    @Flag(
        help: ArgumentHelp(
            "With --create-slot --start: the source drops the slot when this run ends, or when its connection is lost.")
    )
    var temporary = false

    @Flag(help: "With --create-slot: have the slot synchronised to standbys (source 17 or newer).")
    var failover = false

    @Flag(help: ArgumentHelp("Refused: prepared transactions are received at COMMIT PREPARED.", visibility: .hidden))
    var twoPhase = false

    @Flag(
        help: ArgumentHelp(
            "With --create-slot: export the snapshot for the initial copy, print its name as JSON, and keep it until "
                + "standard input ends or a signal comes."))
    var exportSnapshot = false

    /// - Parameter isPruning: another action was given.
    func streams(isPruning: Bool) -> Bool { start || !(createSlot || dropSlot || isPruning) }

    func validate() throws {
        if dropSlot && (createSlot || start) { throw ValidationError("--drop-slot goes with no other action") }
        if exportSnapshot && !createSlot { throw ValidationError("--export-snapshot goes with --create-slot") }
        if ifNotExists && !createSlot { throw ValidationError("--if-not-exists goes with --create-slot") }
        if twoPhase {
            throw ValidationError(
                "--two-phase: prepared transactions are received at COMMIT PREPARED; leave the option out")
        }
        for (isGiven, name) in [(temporary, "temporary"), (failover, "failover")]
        where isGiven && !createSlot { throw ValidationError("--\(name) goes with --create-slot") }
        if temporary && (!start || ifNotExists) {
            throw ValidationError("--temporary goes with --create-slot --start, without --if-not-exists")
        }
        if temporary && failover { throw ValidationError("a temporary slot cannot fail over") }
        if ifExists && !dropSlot { throw ValidationError("--if-exists goes with --drop-slot") }
        if exportSnapshot && ifNotExists {
            throw ValidationError("--export-snapshot needs a new slot, so it does not go with --if-not-exists")
        }
    }

    /// - Returns: the session that holds a temporary slot.
    func perform(
        on slot: String, options: CaptureOptions, logger: Logger, stop: StopRequest
    ) throws -> Source? {
        guard createSlot || dropSlot else { return nil }
        let source = try Source(options.source)
        if dropSlot {
            let dropped = try source.dropSlot(slot, ifExists: ifExists)
            logger.info(dropped ? "dropped slot \"\(slot)\"" : "there was no slot \"\(slot)\"")
            for name in try source.dropPublications(of: slot) { logger.info("dropped publication \"\(name)\"") }
            return nil
        }
        var slotOptions = SlotOptions()
        slotOptions.exportsSnapshot = exportSnapshot
        slotOptions.isTemporary = temporary
        slotOptions.failover = failover
        guard let created = try create(slot, slotOptions, source, options, logger) else {
            logger.info("slot \"\(slot)\" exists already")
            return nil
        }
        logger.info("created slot \"\(slot)\"; its changes begin at \(created.consistentPoint)")
        guard exportSnapshot else { return temporary ? source : nil }
        Output.line(JSON.text(created))
        logger.info("keeping the snapshot until standard input ends or a signal comes")
        holdSnapshot(source, stop)
        return nil
    }

    /// Makes the slot, and before it its publications: changes between a slot and a later publication cannot be decoded.
    private func create(
        _ slot: String, _ slotOptions: SlotOptions, _ source: Source, _ options: CaptureOptions, _ logger: Logger
    ) throws -> CreatedSlot? {
        var hasMade = false
        if options.publications.isEmpty, try !source.hasSlot(slot), let remarks = try source.makePublications(for: slot)
        {
            hasMade = true
            for group in PublicationRemark.grouped(remarks) { logger.warning("\(PublicationRemark.sentence(group))") }
            logger.info("made publication \"\(slot)\"; tables that are made later must be added to it")
        }
        do {
            _ = try source.publications(options)
            return try source.createSlot(slot, options: slotOptions, ifNotExists: ifNotExists)
        } catch {
            if hasMade { try source.dropPublications(of: slot) }
            throw error
        }
    }

    /// The snapshot lives while the session that made the slot stays open and idle.
    private func holdSnapshot(_ source: Source, _ stop: StopRequest) {
        while !stop.isRequested {
            let ready = Polling.wait(0, stop.descriptor, until: .never)
            if ready.first && !StandardInput.skip() { break }
        }
        withExtendedLifetime(source) {}
    }
}
