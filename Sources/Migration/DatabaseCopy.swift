import Supervision
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

/// Copies a database as one snapshot of the source shows it. Blocks; lives on a thread of its own.
final class DatabaseCopy {
    let options: CloneOptions
    let spool: SpoolDirectory
    let stop: StopRequest
    let progress: CloneProgress
    let logger: Logger
    let selection: Selection
    var journal: CloneJournal
    /// An earlier run has copied definitions, and perhaps some of the tables.
    let isResumed: Bool
    /// What large tables get while others are still being copied.
    private var earlyKeys: EarlyKeys?

    /// - Parameter journal: already written; with nothing done, or with a copy to continue with.
    init(
        _ options: CloneOptions, journal: CloneJournal, stop: StopRequest, progress: CloneProgress, logger: Logger
    ) throws {
        self.options = options
        selection = try options.selection()
        self.journal = journal
        isResumed = journal.isResumable
        self.stop = stop
        self.progress = progress
        self.logger = logger
        spool = SpoolDirectory(options.spool)
    }

    /// Takes a snapshot and copies everything.
    ///
    /// - Parameter slotIsReady: called once the source keeps every change after the snapshot.
    /// - Returns: the journal of a migration whose copy is complete.
    func run(slotIsReady: () -> Void) throws -> CloneJournal {
        if isResumed { try warnOfEmptyTables() }
        if journal.hasCopied(.complete) { slotIsReady() } else { try copyContents(slotIsReady) }
        try step("sequences") { try copySequences() }
        Failpoint.afterSequences.reach()
        if !options.skipsAnalyze {
            try step("analyze") {
                try TargetDatabase.analyze(options.target, threads: options.tableJobs, stop: stop, logger: logger)
            }
        }
        if !options.skipsDatabaseProperties { try copyDatabaseProperties() }
        // From here on the target says by itself what it has; without that it would take what the copy has again.
        let target = try TargetDatabase(options.target)
        if journal.laterPoint == nil, let start = journal.consistentPoint {
            try target.placePosition(options, journal, at: start)
        }
        try target.makeDurable()
        if options.follows, var base = try CatalogBase.read(spool) {
            base.target = try .read(target.connection, publications: [])
            try base.write(spool)
        }
        journal.phase = options.follows ? .following : .done
        Failpoint.beforeCopyIsDone.reach()
        try journal.write(spool)
        let mark = TargetMark(target.connection)
        if options.follows { try mark.set(.following, of: journal.id) } else { try mark.remove(journal.id) }
        Failpoint.afterCopyIsDone.reach()
        logger.info(
            "the copy is complete: \(Figures.counted(journal.tables.count, "table")), \(CloneProgress.megabytes(journal.bytes))"
        )
        if let remarks = journal.remarks {
            logger.warning("not everything on the target is as on the source: \(remarks.joined(separator: " – "))")
        }
        return journal
    }

    /// Copies all that a crash does not take back: definitions, rows, large objects, indexes and constraints.
    private func copyContents(_ slotIsReady: () -> Void) throws {
        var archive = try SchemaArchive(
            path: spool.definitionsPath, tools: .find(options.servers), stop: stop, logger: logger)
        // Kept for the run that continues.
        defer { if journal.hasCopied(.complete) || journal.planned == nil { archive.remove() } }
        do {
            try copyRowsAndKeys(&archive, slotIsReady)
        } catch {
            // Where one of these failed, what was thrown came of that.
            try earlyKeys?.finish()
            throw error
        }
        if let point = journal.laterPoint, !journal.hasCopied(.caughtUp) {
            // What looks at several tables comes when all of them show the same moment.
            try step("catching up") { try catchUp(to: point) }
            Failpoint.afterCatchUp.reach()
            try note { $0.copied = .caughtUp }
        }
        try step("foreign keys and triggers") { try restoreRest(of: &archive) }
        Failpoint.afterIndexes.reach()
        try note { $0.copied = .complete }
    }

    private func copyRowsAndKeys(_ archive: inout SchemaArchive, _ slotIsReady: () -> Void) throws {
        if journal.hasCopied(.rows) {
            slotIsReady()
            try step("definitions") { try prepareRest(&archive) }
        } else {
            try copyRows(&archive, slotIsReady)
            try note { $0.copied = .rows }
        }
        guard !journal.hasCopied(.keys) else { return }
        try step("indexes and constraints") { try restoreKeys(of: &archive) }
        try note { $0.copied = .keys }
        Failpoint.afterKeys.reach()
    }

    /// Changes the journal, and writes it.
    func note(_ change: (inout CloneJournal) -> Void) throws {
        change(&journal)
        try journal.write(spool)
    }

    /// Has the target say which migration fills it, before there is anything to drop.
    private func markTarget() throws {
        let mark = try TargetMark(TargetDatabase(options.target).connection)
        guard let id = journal.id, try !mark.place(id, stream: journal.stream) else { return }
        logger.info(
            """
            the role may not make the table walrelay.migration on the target: if the copy is interrupted, what it made has to \
            be dropped by hand
            """)
    }

    private func copyRoles() throws {
        let source = try Connection(options.source, applicationName: DatabaseSession.applicationName)
        try RoleCopy(
            source: source, target: TargetDatabase(options.target).connection,
            copiesPasswords: options.copiesRolePasswords, logger: logger
        ).run()
    }

    private func copyDatabaseProperties() throws {
        let source = try Connection(options.source, applicationName: DatabaseSession.applicationName)
        try DatabaseProperties(
            source: source, target: TargetDatabase(options.target).connection, server: options.target,
            restoreOptions: options.restoreOptions, logger: logger
        ).run()
    }

    private func restoreKeys(of archive: inout SchemaArchive) throws {
        let watch = IndexWatch(options.servers, isWhole: options.filters == nil, progress)
        defer { watch.end() }
        let (now, later) = archive.order.keys(without: earlyKeys?.close() ?? [])
        // Some of those that were begun early may still be under way.
        try make(now, "post-data-keys", jobs: options.indexJobs, of: &archive)
        try earlyKeys?.finish()
        try make(later, "post-data-keys", jobs: options.indexJobs, of: &archive)
    }

    /// What needs the snapshot, which is let go at the end.
    ///
    /// - Throws: ``ProgramFailure`` with `connection` when the session that holds it was lost meanwhile.
    private func copyRows(_ archive: inout SchemaArchive, _ slotIsReady: () -> Void) throws {
        // The session that made the snapshot keeps it while it stays idle.
        let holder = try step("snapshot") { try isResumed ? makeSnapshotAgain() : makeSnapshot() }
        slotIsReady()
        Failpoint.afterSnapshot.reach()
        do {
            try copyRows(&archive, holder)
        } catch {
            // Whatever fails for want of the snapshot fails because its session is gone.
            guard !holder.isAlive else { throw error }
            throw ProgramFailure(
                .connection,
                "the source crashed or restarted, and the copy's snapshot is gone (\(error)); run the same command again when the source "
                    + "is back")
        }
    }

    private func copyRows(_ archive: inout SchemaArchive, _ holder: Holder) throws {
        let (name, encoding) = (holder.name, holder.encoding)
        try step("definitions") {
            if !isResumed || !archive.exists { try archive.dump(options.source, snapshot: name) }
            try arrange(&archive, snapshot: name, encoding)
            if !isResumed {
                if options.follows {
                    let session = try SourceSnapshot(options.source, snapshot: name, encoding: encoding)
                    try CatalogBase(source: .read(session.connection, publications: journal.sendingPublications))
                        .write(spool)
                }
                if options.copiesRoles { try copyRoles() }
                try markTarget()
                try make(archive.order.before, "pre-data", jobs: 1, of: &archive)
            }
        }
        var tables = try SourceSnapshot(options.source, snapshot: name, encoding: encoding).tables(selection)
        if isResumed {
            tables = try missing(of: tables)
        } else {
            Failpoint.afterDefinitions.reach()
            try TargetDatabase(options.target).makeDurable()
            try note { $0.planned = tables.map(\.name) }
        }
        let earlyKeys = try makeEarlyKeys(archive, tables, snapshot: name, encoding)
        self.earlyKeys = earlyKeys
        let copied = CopiedParts(journal, spool, after: holder.after)
        progress.plan(tables)
        let (source, target) = (options.source, options.target)
        let (stop, progress, logger) = (stop, progress, logger)
        try step("rows") {
            let remarks = try ExtensionTables(
                source: SourceSnapshot(source, snapshot: name, encoding: encoding),
                target: DatabaseSession.connect(target, encoding: encoding), selection: selection, logger: logger
            ).copy()
            for remark in remarks { logger.warning("\(remark)") }
            if !remarks.isEmpty { journal.remarks = (journal.remarks ?? []) + remarks }
            let parts = CopyPart.plan(tables, larger: options.splitBytes, partsMax: options.splitPartsMax)
            try Parallel.run(parts, threads: options.tableJobs, name: "table copy", stop: stop) {
                let copier = try TableCopier(
                    source: source, snapshot: name, target: target, encoding: encoding, stop: stop, progress: progress)
                return { part in
                    copied.begin(part)
                    progress.begin(part)
                    let (rows, bytes) = try copier.copy(part)
                    let table = try copied.finish(part, rows: rows, bytes: bytes)
                    progress.finish(part, isLast: table != nil)
                    if !part.isWhole {
                        logger.info("\(part.name): \(Figures.counted(rows, "row")), \(CloneProgress.megabytes(bytes))")
                        Failpoint.afterPart.reach()
                    }
                    guard let table else { return }
                    earlyKeys.offer(part.table.oid)
                    Failpoint.afterTable.reach()
                    logger.info(
                        "\(table.name): \(Figures.counted(table.rows, "row")), \(CloneProgress.megabytes(table.bytes))")
                }
            }
        }
        try note { $0.tables = copied.tables }
        if !options.skipsLargeObjects { try copyLargeObjects(snapshot: name, encoding) }
        Failpoint.afterRows.reach()
        withExtendedLifetime(holder) {}
    }

    /// Finds out what of the archive is made, and when.
    private func arrange(_ archive: inout SchemaArchive, snapshot: String, _ encoding: String) throws {
        let source = try SourceSnapshot(options.source, snapshot: snapshot, encoding: encoding).connection
        if isResumed || !selection.includesAllObjects {
            try archive.select(SourceObjects(on: source, selection), on: source)
        }
        try arrange(&archive, source)
    }

    /// What can be made before all rows are there.
    private func makeEarlyKeys(
        _ archive: SchemaArchive, _ tables: [CopiedTable], snapshot: String, _ encoding: String
    ) throws -> EarlyKeys {
        let (options, logger) = (options, logger)
        let session = try SourceSnapshot(options.source, snapshot: snapshot, encoding: encoding)
        // Nothing is gained for the last table.
        let large = tables.count > 1 ? tables.filter { $0.size > options.earlyIndexBytes } : []
        let keys = try EarlyKeys.keys(of: archive, tables: large, on: session.connection)
        return EarlyKeys(keys, jobs: options.indexJobs, stop: stop) { entry in
            let begun = Deadline.now
            try archive.restore(key: entry, options.target, options: options.restoreOptions)
            logger.info("made early: \(entry.name), in \(Figures.tenths(begun.seconds)) s")
        }
    }

    /// A snapshot, and the sessions that keep it.
    struct Holder {
        let name: String
        let encoding: String
        var source: Source?
        var session: SourceSnapshot?
        /// The snapshot is not the journal's, but of this position.
        var after: LSN?

        /// The session that made the snapshot is still there. Asked when the snapshot is not needed any more.
        var isAlive: Bool {
            guard let connection = source?.replication ?? session?.connection else { return false }
            return (try? connection.execute("SELECT 1", doing: "looking for the snapshot's session")) != nil
        }
    }

    private func makeSnapshot() throws -> Holder {
        guard options.follows else {
            let encoding = try DatabaseSession.encoding(options.source)
            let session = try SourceSnapshot(options.source, snapshot: nil, encoding: encoding)
            return Holder(name: try session.export(), encoding: encoding, session: session)
        }
        let source = try Source(options.source)
        if options.publications.isEmpty {
            let selection = selection
            let remarks = try source.makePublications(for: options.slot) {
                selection.includesData(schema: $0, table: $1)
            }
            guard let remarks else {
                throw ProgramFailure(
                    .slotMismatch,
                    "there is a publication \"\(options.slot)\" that walrelay did not make; name it with --publication to "
                        + "use it, or choose another --slot-name")
            }
            for group in PublicationRemark.grouped(remarks) { logger.warning("\(PublicationRemark.sentence(group))") }
        } else {
            var capture = CaptureOptions(
                source: options.source, slot: options.slot, publications: options.publications, tool: options.tool)
            capture.publications = try source.publications(capture)
        }
        Failpoint.beforeSlot.reach()
        var slot = SlotOptions()
        slot.exportsSnapshot = true
        slot.failover = options.failover
        guard let created = try source.createSlot(options.slot, options: slot, ifNotExists: false),
            let name = created.snapshot
        else { throw ProgramFailure(.failure, "the source exported no snapshot with slot \"\(options.slot)\"") }
        logger.info("created slot \"\(options.slot)\"; the copy is of \(created.consistentPoint)")
        Failpoint.afterSlot.reach()
        try note { $0.consistentPoint = created.consistentPoint }
        return Holder(name: name, encoding: source.encoding, source: source)
    }

    private func copySequences() throws {
        let source = try Connection(options.source, applicationName: DatabaseSession.applicationName)
        try TargetDatabase(options.target).set(try SourceSnapshot.sequences(on: source, selection))
    }

    func step<Result>(_ name: String, _ body: () throws -> Result) throws -> Result {
        try stop.check()
        progress.begin(name)
        logger.info("\(name)")
        let begun = Deadline.now
        let result = try body()
        journal.steps.append(.init(name: name, seconds: begun.seconds))
        return result
    }
}
