import Capture
import Catalog
import Comparison
import Copying
import Failpoints
import Logging
import Observability
import Postgres
import Selection
import Spool
import Threading

/// Takes over a target that something else has filled up to a known position of the source: a physical copy that was
/// upgraded, a backup, or a dump of the slot's snapshot. From there on it is a migration like any other.
///
/// Nothing of the target is changed but for its position.
public struct Adoption: Sendable {
    private let options: CloneOptions
    private let position: LSN
    private let acceptsDrift: Bool
    private let logger: Logger
    private let spool: SpoolDirectory

    /// - Parameter position: the target has every transaction whose commit ends at or before it, and none that ends later.
    public init(_ options: CloneOptions, at position: LSN, acceptsDrift: Bool, logger: Logger) {
        var options = options
        options.follows = true
        // What is on the target stays there, and is to be kept from acting.
        options.triggers = .copy
        self.options = options
        self.position = position
        self.acceptsDrift = acceptsDrift
        self.logger = logger
        spool = SpoolDirectory(options.spool)
    }

    /// Looks at both sides and, unless it is only to look, places the position and writes the journal.
    ///
    /// - Returns: what was found.
    /// - Throws: ``ProgramFailure`` with what must be changed first.
    public func run(dryRun: Bool) throws -> [Finding] {
        let lock = try spool.lockForClone()
        defer { withExtendedLifetime(lock) {} }
        if let journal = try CloneJournal.read(spool) {
            throw ProgramFailure(
                .usage,
                "\(options.spool) has a migration already, which is \(journal.phase.rawValue): continue it with clone "
                    + "--follow, or use another --dir")
        }
        let source = try Source(options.source)
        let target = try TargetDatabase(options.target)
        var options = options
        options.filters = try options.addingProvidersSchemas(of: source.catalog)
        try checkAreTwo(source.catalog, target.connection)
        let publications = try source.publications(
            CaptureOptions(
                source: options.source, slot: options.slot, publications: options.publications, tool: options.tool))
        try checkLog(source)
        try checkRow(target, source)
        let preflight = try Preflight(options, source: source.catalog, target: target.connection)
        try preflight.lookBeforeAdoption()
        try lookAtDefinitions(preflight, options)
        guard !dryRun else { return preflight.findings }
        if let failure = preflight.findings.first(where: { $0.status == .fail }) {
            throw ProgramFailure(failure.exitStatus, failure.sentence)
        }
        try place(options, source, target)
        logger.info(
            "the target is adopted at \(position)",
            metadata: ["publications": "\(publications.joined(separator: ", "))"])
        return preflight.findings
    }

    /// A physical copy has its source's identifier, so that this does not tell the two apart.
    private func checkAreTwo(_ source: Connection, _ target: Connection) throws {
        let query =
            "SELECT pg_catalog.concat_ws(' ', pg_catalog.pg_postmaster_start_time(), pg_catalog.current_database(), "
            + "(SELECT system_identifier FROM pg_catalog.pg_control_system()))"
        let (here, there) = (
            try source.execute(query, doing: "asking which server this is").text(0, 0),
            try target.execute(query, doing: "asking which server this is").text(0, 0)
        )
        guard here != there else { throw ProgramFailure(.usage, "source and target are the same database") }
    }

    /// Every change after the position must be in the log, or still come.
    private func checkLog(_ source: Source) throws {
        let end = try source.catalog.currentPosition()
        guard position.isCovered(by: end) else {
            throw ProgramFailure(
                .usage,
                "--at \(position) is past the end of the source's WAL, \(end): name the position that the target has")
        }
        let confirmed = try SlotState.read(options.slot, on: source.catalog).flatMap(\.confirmedFlush)
        guard let confirmed else { throw Self.noSlot(options.slot) }
        guard let identity = try spool.identity() else {
            guard confirmed <= position else {
                throw ProgramFailure(
                    .gap,
                    "slot \"\(options.slot)\" begins at \(confirmed), after the position \(position): changes between are "
                        + "lost. Make the slot first, and fill the target after that")
            }
            return
        }
        guard identity.systemIdentifier == "\(source.identity.systemIdentifier)", identity.slot == options.slot,
            identity.database == source.catalog.database
        else {
            throw ProgramFailure(
                .foreign,
                "\(options.spool) holds the log of slot \"\(identity.slot)\" of database \"\(identity.database)\"; name them, or "
                    + "use another --dir")
        }
        guard try !spool.segments().isEmpty || confirmed <= position else {
            throw ProgramFailure(
                .gap, "slot \"\(options.slot)\" begins at \(confirmed), after the position \(position)")
        }
        // Its message says where the log begins.
        _ = try SpoolReader(spool, from: position, follows: false)
    }

    private static func noSlot(_ name: String) -> ProgramFailure {
        ProgramFailure(
            .slotMissing,
            "there is no slot \"\(name)\" on the source: receive --create-slot makes one, and must do so before the target is "
                + "filled, so that nothing is missing in between")
    }

    /// Another stream's position must not be taken for this one's.
    private func checkRow(_ target: TargetDatabase, _ source: Source) throws {
        guard let row = try target.connection.progressRows(options.stream).first else { return }
        let isOurs =
            row.position == position && row.systemIdentifier == "\(source.identity.systemIdentifier)"
            && row.database == source.catalog.database && row.slot == options.slot
        guard isOurs else {
            throw ProgramFailure(
                .conflict,
                "the target has a position \"\(options.stream)\" already, \(row.position) of database \"\(row.database)\" by slot "
                    + "\"\(row.slot)\": name another with --origin, or remove that one with clone cleanup")
        }
    }

    private func lookAtDefinitions(_ preflight: Preflight, _ options: CloneOptions) throws {
        let compared = try options.comparison()
        let drift = try Drift.look(compared.basis, compared.selection, preflight.source, preflight.target)
        guard !drift.serious.isEmpty else {
            return preflight.pass(.target, "definitions", "those of the source")
        }
        let words = "the target's definitions are not the source's: \(Figures.some(drift.serious.map(\.sentence)))"
        if acceptsDrift {
            preflight.warn(.target, "definitions", words)
        } else {
            preflight.fail(.target, "definitions", words, Drift.remedy, .drift)
        }
    }

    private func place(_ options: CloneOptions, _ source: Source, _ target: TargetDatabase) throws {
        var journal = try CloneJournal.adopting(
            options, from: source.catalog, to: target, at: position,
            tables: SourceSnapshot.tables(on: source.catalog, options.selection()).map(\.name))
        journal.filters = options.filters
        if options.skipsLargeObjects { journal.skipsLargeObjects = true }
        try target.adopt(options, journal, at: position)
        Failpoint.afterPlacing.reach()
        try CatalogBase.take(source.catalog, target.connection, publications: journal.sendingPublications).write(spool)
        try journal.write(spool)
    }
}

extension Preflight {
    /// What following needs of both servers, where nothing is copied.
    fileprivate func lookBeforeAdoption() throws {
        try attempt(.source, "connection") { try lookForPoolers() }
        try attempt(.source, "role") { try lookAtReplication() }
        try attempt(.target, "role") { try lookAtTargetRole() }
        try attempt(.target, "writing") { try lookAtWriting() }
        try attempt(.source, "fence") { try lookAtFence() }
        try attempt(.target, "other migrations") { try lookForOtherMigrations() }
        lookAtDisk()
    }
}

// A migration that has not copied what its target holds.
extension CloneJournal {
    /// Its journal: there is nothing to copy, and nothing of the target may be dropped.
    static func adopting(
        _ options: CloneOptions, from source: Connection, to target: TargetDatabase, at position: LSN, tables: [String]
    ) throws -> CloneJournal {
        var journal = CloneJournal(
            tool: options.tool, started: Timestamp.now.description, source: try DatabaseSession.identity(source),
            target: try DatabaseSession.identity(target.connection), follows: true, slot: options.slot,
            stream: options.stream, publications: options.publications, extensions: try target.extensions())
        journal.id = SpoolIdentity.randomName()
        journal.adopted = true
        journal.phase = .following
        journal.consistentPoint = position
        journal.tables = tables.map { .init(name: $0, rows: 0, bytes: 0, seconds: 0) }
        return journal
    }
}

extension TargetDatabase {
    /// Places its position, durably, and has the target say that nothing of it was copied.
    func adopt(_ options: CloneOptions, _ journal: CloneJournal, at position: LSN) throws {
        try placePosition(options, journal, at: position)
        try makeDurable()
        if let id = journal.id { try TargetMark(connection).place(id, stream: options.stream, as: .adopted) }
    }
}
