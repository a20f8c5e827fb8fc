import Capture
import Catalog
import Comparison
import Copying
import Failpoints
import Glibc
import Logging
import Observability
import Postgres
import Selection
import Spool
import Threading

/// Lets a migration go on in the other direction once it is switched over: what applications write to the target then is
/// applied on the source, so that it can take their place again.
///
/// The slot is made before the fence, because that waits for transactions. It also sees what the migration itself still
/// applies on the target; the position behind that is what the other direction begins from.
struct WayBack {
    private let options: CloneOptions
    private let logger: Logger
    private let spool: SpoolDirectory

    /// - Parameter options: of the direction that is about to be switched over.
    init(_ options: CloneOptions, logger: Logger) {
        self.options = options
        self.logger = logger
        spool = SpoolDirectory(options.spool)
    }

    // MARK: Making it

    /// Makes slot and publications on the target.
    ///
    /// - Throws: ``ProgramFailure`` and `CaptureError` when the server does not allow it.
    func prepare() throws {
        let first = try options.directions()[0]
        let number = options.direction + 1
        let way = CloneJournal.WayBack(slot: "\(first.slot)_way\(number)", stream: "\(first.stream)_way\(number)")
        // What another try has left.
        try remove()
        let journal = try CloneJournal.update(spool) { $0.wayBack = way }
        Failpoint.beforeWayBack.reach()
        let server = try Source(options.target)
        let selection = try options.adopting(journal).selection()
        let remarks = try server.makePublications(for: way.slot) { selection.includesData(schema: $0, table: $1) }
        guard let remarks else {
            throw ProgramFailure(
                .slotMismatch,
                "the target has a publication \"\(way.slot)\" that walrelay did not make; drop or rename it, or switch over "
                    + "without --keep-way-back")
        }
        for group in PublicationRemark.grouped(remarks) {
            logger.warning("on the way back: \(PublicationRemark.sentence(group, on: "target"))")
        }
        if try server.dropSlot(way.slot, ifExists: true) { logger.info("dropped an old slot \"\(way.slot)\"") }
        var slot = SlotOptions()
        slot.failover = options.failover
        _ = try server.createSlot(way.slot, options: slot, ifNotExists: false)
        logger.info("made slot \"\(way.slot)\" on the target, for the way back")
        let source = try Connection(options.source, applicationName: DatabaseSession.applicationName)
        try CatalogBase.take(server.catalog, source, publications: Source.ownPublications(of: way.slot))
            .write(SpoolDirectory(options.exchanged(way).spool))
        Failpoint.afterWayBackSlot.reach()
    }

    /// Says from where the other direction goes on: nothing is applied in this one any more, and applications do not use
    /// the target yet.
    func place() throws {
        let journal = try self.journal()
        guard var way = journal.wayBack else { throw Self.isGone(options) }
        let next = options.exchanged(way)
        let source = try TargetDatabase(options.target)
        // A crash of the server must not take back what the position is behind.
        try source.makeDurable()
        let position = try source.connection.currentPosition(doing: "asking where the way back begins")
        let target = try TargetDatabase(options.source)
        var made = try CloneJournal.adopting(
            next, from: source.connection, to: target, at: position, tables: journal.tables.map(\.name))
        made.filters = journal.filters
        made.keepLog = journal.keepLog
        made.skipsLargeObjects = journal.skipsLargeObjects
        let folder = SpoolDirectory(next.spool)
        try CloneJournal.remove(folder)
        try folder.removeLog()
        try made.write(folder)
        try made.makeSpool(folder)
        try target.adopt(next, made, at: position)
        way.isPlaced = true
        try CloneJournal.update(spool) { $0.wayBack = way }
        Failpoint.afterWayBack.reach()
    }

    private func journal() throws -> CloneJournal {
        guard let journal = try CloneJournal.read(spool) else {
            throw ProgramFailure(.failure, "the journal is gone from \(spool.statePath)")
        }
        return journal
    }

    private static func isGone(_ options: CloneOptions) -> ProgramFailure {
        ProgramFailure(
            .incomplete,
            "the way back is not there any more, as if another process had undone this switchover in \(options.spool); run it "
                + "again")
    }

    // MARK: The fence of the direction before

    /// What was made read-only when applications left it must be written to again.
    var isTargetClosed: Bool {
        get throws {
            guard let before = try options.directionBefore() else { return false }
            return try CloneJournal.read(SpoolDirectory(before.spool))?.fencedAt != nil
        }
    }

    /// Lets applications write to the target, where the switchover before this one has made it read-only. Only once this one is
    /// made: what was written before that would be on one side alone.
    ///
    /// - Throws: ``ProgramFailure`` when it cannot be done.
    func freeTarget() throws {
        guard try isTargetClosed, let before = try options.directionBefore() else { return }
        Failpoint.beforeFreeing.reach()
        SourceFence.lower(before.source, SpoolDirectory(before.spool), logger, side: "target")
        guard try isTargetClosed else { return }
        throw ProgramFailure(
            .connection,
            "the switchover is made, and its target is still read-only: run the same command again, which lets it be written to"
        )
    }

    // MARK: Undoing it

    /// Drops what was made for a switchover that is not made. What cannot be dropped stays noted in the journal.
    func remove() throws {
        guard let journal = try CloneJournal.read(spool), let way = journal.wayBack,
            !way.isPlaced || journal.switchedAt == nil && journal.releasing == nil
        else { return }
        // Where something cannot be dropped, a switchover must not take it for its own.
        try CloneJournal.update(spool) { $0.wayBack?.isPlaced = false }
        let next = options.exchanged(way)
        let folder = SpoolDirectory(next.spool)
        try CloneEnd(next, logger: logger).dropSlotAndPosition()
        try CloneJournal.remove(folder)
        try folder.removeLog()
        try CloneJournal.update(spool) { $0.wayBack = nil }
    }

    // MARK: Once it is switched over

    /// Drops slot and position of the direction before, again and again until that works: the slot keeps WAL on what is the
    /// target now.
    func endDirectionBefore() async {
        var trouble = ""
        while !Task.isCancelled {
            do {
                return try await Worker.run(name: "cleaning") {
                    guard let before = try options.directionBefore() else { return }
                    try CloneEnd(before, logger: logger).dropSlotAndPosition()
                }
            } catch {
                let words = "\(error)"
                if words != trouble {
                    logger.warning("what the direction before needed cannot be dropped yet: \(words)")
                }
                trouble = words
            }
            try? await Task.sleep(for: .seconds(10))
        }
    }
}

/// What a switchover that was killed, or failed, has left on both servers.
enum SwitchoverLeftover {
    /// Lets applications write where they did before.
    static func undo(_ options: CloneOptions, _ logger: Logger) throws {
        try SourceFence.lowerLeftover(options.source, SpoolDirectory(options.spool), logger)
        do {
            try WayBack(options, logger: logger).remove()
        } catch {
            logger.warning(
                """
                what was made for the way back could not be dropped (\(error)): the slot keeps WAL on the target until the next \
                switchover, or clone cleanup
                """)
        }
    }
}
