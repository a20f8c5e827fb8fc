import Capture
import Catalog
import Copying
import Glibc
import Logging
import Observability
import Postgres
import Selection
import Spool
import Supervision
import SystemPackage

// Going on with a copy that was interrupted.
//
// The snapshot of the interrupted copy is gone. The tables that it had not copied are copied from another, of a later
// position, and so are ahead of the rest. `transform` then leaves out their changes up to that position, until the whole
// target is there: from then on nothing tells the tables apart.
extension DatabaseCopy {
    /// A snapshot for what is missing, by a slot that lives as long as the session.
    func makeSnapshotAgain() throws -> Holder {
        let source = try Source(options.source)
        var slot = SlotOptions()
        slot.exportsSnapshot = true
        slot.isTemporary = true
        let created = try source.createSlot("walrelay_copy_\(getpid())", options: slot, ifNotExists: false)
        guard let created, let name = created.snapshot else {
            throw ProgramFailure(.failure, "the source exported no snapshot")
        }
        if let end = options.end.flatMap({ LSN($0) }), end < created.consistentPoint {
            throw ProgramFailure(
                .usage,
                "the copy was interrupted, and what is missing of it can only be copied as of \(created.consistentPoint), "
                    + "behind --endpos \(end); choose a later one, or --restart")
        }
        logger.info("what is missing is copied as of \(created.consistentPoint)")
        return Holder(name: name, encoding: source.encoding, source: source, after: created.consistentPoint)
    }

    /// The tables that are still to be copied, emptied of what an interrupted copy may have left in them.
    func missing(of tables: [CopiedTable]) throws -> [CopiedTable] {
        // What is unlogged may be gone with a crash of the target, and is not followed anyway.
        let unlogged = Set(tables.filter(\.isUnlogged).map(\.name))
        journal.tables.removeAll { unlogged.contains($0.name) }
        let done = Set(journal.tables.map(\.name))
        let planned = Set(journal.planned ?? [])
        let missing = tables.filter { planned.contains($0.name) && !done.contains($0.name) }
        let gone = planned.subtracting(tables.map(\.name)).sorted()
        guard gone.isEmpty else {
            throw ProgramFailure(
                .conflict,
                "\(Figures.some(gone)): not on the source any more; clone --restart drops what was copied and starts over"
            )
        }
        for table in tables where !planned.contains(table.name) {
            logger.warning("\(table.name) was made on the source after the copy began: it is NOT copied")
        }
        let target = try TargetDatabase(options.target)
        // They were made early, and perhaps not to their end; they are made with the others.
        try target.dropKeys(of: planned)
        for table in missing {
            try target.connection.execute("TRUNCATE ONLY \(table.name)", doing: "emptying \(table.name)")
        }
        try target.dropLargeObjects()
        logger.info("\(done.count) of \(planned.count) tables are there, \(missing.count) are copied now")
        return missing
    }

    /// Finds out what of the definitions is still to be made on a target that has all rows.
    func prepareRest(_ archive: inout SchemaArchive) throws {
        if !archive.exists { try archive.dump(options.source, snapshot: nil) }
        let source = try Connection(options.source, applicationName: DatabaseSession.applicationName)
        if !selection.includesAllObjects { try archive.select(SourceObjects(on: source, selection), on: source) }
        try arrange(&archive, source)
        if !journal.hasCopied(.keys) {
            // Not all of them may be whole. Tables without their rows have some, too.
            let tables = try SourceSnapshot.tables(on: source, Selection()).map(\.name)
            try TargetDatabase(options.target).dropKeys(of: Set(tables))
        }
    }

    /// Finds out what comes when.
    func arrange(_ archive: inout SchemaArchive, _ source: Connection) throws {
        if archive.kept.isEmpty { try archive.selectAll() }
        try archive.arrange(waiting: try EarlyKeys.late(of: archive.kept, on: source))
    }

    /// A server that crashes empties its unlogged tables.
    func warnOfEmptyTables() throws {
        let copied = Set(journal.tables.filter { $0.rows > 0 }.map(\.name))
        guard journal.hasCopied(.rows), !copied.isEmpty else { return }
        for name in try TargetDatabase(options.target).emptyUnloggedTables() where copied.contains(name) {
            logger.warning(
                """
                \(name) is unlogged, and is empty on the target since that crashed or restarted: its rows are NOT copied; copy them by psql
                """)
        }
    }

    /// Brings all tables to one position, each from its own. Batches go through files, so that this can be done by one
    /// thread, and the target's position says what is done.
    func catchUp(to end: LSN) throws {
        guard let start = journal.consistentPoint else { return }
        let target = try TargetDatabase(options.target)
        if !journal.hasCopied(.catchingUp) {
            try target.placePosition(options, journal, at: start)
            try target.makeDurable()
            try note { $0.copied = .catchingUp }
        }
        let begin = max(start, try TargetDatabase.settledPosition(options, stop: stop, logger: logger).position)
        // Something must pass the position, on a source that is idle too.
        try Connection(options.source, applicationName: DatabaseSession.applicationName).execute(
            "SELECT pg_catalog.pg_logical_emit_message(true, 'walrelay', 'catch-up')", doing: "passing a position")
        let filters = try writeStarts()
        try spool.removeCatchUp()
        try run(
            "transform",
            [
                "--follow", "--origin", options.stream, "--from", "\(begin)", "--to", "\(end)", "--filters", filters,
                "--output", spool.catchUpPath, "--compress", "lz4", options.spool,
            ])
        try run(
            "replay",
            [
                "--origin", options.stream, "--spool", options.spool, "--filters", filters, "--target",
                options.target.withoutSecrets,
            ] + (options.leavesTriggersLate ? ["--no-replica-role"] : []) + [spool.catchUpPath])
        let position = try target.connection.durablePosition(options.stream) ?? .zero
        guard position >= end else {
            throw ProgramFailure(
                .incomplete, "the target is at \(position), before \(end), to which it was to catch up")
        }
        try target.makeDurable()
        try spool.removeCatchUp()
    }

    /// The filters, and where each table begins.
    private func writeStarts() throws -> String {
        let starts = journal.tables.compactMap { table in table.after.map { "\(table.name) = \($0)" } }
        let text = (options.filters ?? "") + "\n[start-after]\n" + starts.map { $0 + "\n" }.joined()
        try spool.replaceState("catch-up.ini", with: Array(text.utf8))
        return spool.statePath + "/catch-up.ini"
    }

    private func run(_ name: String, _ arguments: [String]) throws {
        let (file, words) = try ProgramFolder.command(name, in: ProgramFolder.path())
        let code = try ClientProgram(name: file, arguments: words + arguments)
            .run(password: try options.target.password(), stop: stop) { line in
                logger.info("\(name): \(line)")
            }
        try stop.check()
        guard code < 128 else {
            throw ProgramFailure(
                .incomplete,
                "\(name) was ended by signal \(code - 128) while the copy caught up; run the same command again")
        }
        guard code == 0 else {
            throw ProgramFailure(
                ExitStatus(rawValue: code) ?? .failure,
                "\(name) ended with code \(code) while the copy caught up; its message is above")
        }
    }
}
