import Catalog
import Copying
import Logging
import Observability
import Postgres

// What comes after the rows and the keys.
extension DatabaseCopy {
    /// Makes it, pass by pass. What an interrupted run has made of it is dropped first.
    func restoreRest(of archive: inout SchemaArchive) throws {
        let again = isResumed ? ["--clean", "--if-exists"] : []
        // One that is there already would act on what is made now.
        if isResumed { try TargetDatabase(options.target).dropEventTriggers() }
        if !journal.hasCopied(.definitions) {
            let order = archive.order
            if isResumed {
                let target = try TargetDatabase(options.target)
                try target.dropForeignKeys()
                try target.dropUnattachedKeys(order.rest)
            }
            let isLate = journal.late != nil
            let rest = isLate ? LateDefinitions.split(order.rest).now : order.rest
            // Several jobs would begin with what pg_dump has before the rows, whatever that depends on.
            let jobs = rest.allSatisfy { $0.isAfterRows || $0.isAddition } ? options.indexJobs : 1
            try make(rest, "post-data-rest", jobs: jobs, extra: again, of: &archive)
            if isLate { try writeLate(of: &archive) }
            var remarks = try restoreChecked(of: &archive)
            for remark in remarks { logger.warning("\(remark)") }
            try note {
                remarks = ($0.remarks ?? []) + remarks
                $0.remarks = remarks.isEmpty ? nil : remarks
                $0.copied = .definitions
            }
        }
        try make(archive.order.last, "post-data-last", jobs: options.indexJobs, extra: again, of: &archive)
    }

    /// Writes down what comes in the switchover.
    private func writeLate(of archive: inout SchemaArchive) throws {
        let entries = LateDefinitions.split(archive.order.rest + archive.order.checked).late
        var late = LateDefinitions()
        if !entries.isEmpty {
            try archive.narrow(to: entries, "post-data-late")
            let statements = try archive.script(options: options.restoreOptions).statements
            let source = try Connection(options.source, applicationName: DatabaseSession.applicationName)
            late = try LateDefinitions(entries, statements: statements, on: source)
        }
        try late.write(spool)
        logger.warning("left out on the target until the switchover (--triggers late): \(late.words)")
    }

    /// Makes the foreign keys, and fills the materialized views. What rows make fail here, as it would on the source, is
    /// not as it is there.
    ///
    /// - Returns: what that is, and what to do about it.
    private func restoreChecked(of archive: inout SchemaArchive) throws -> [String] {
        let checked = archive.order.checked
        let entries = journal.late == nil ? checked : LateDefinitions.split(checked).now
        guard !entries.isEmpty else { return [] }
        try archive.narrow(to: entries, "post-data-checked")
        journal.unfilledViews = nil
        guard
            try !archive.restoreWhatFits(options.target, jobs: options.indexJobs, options: options.restoreOptions)
        else { return [] }
        // Which are missing, the server says.
        let statements = try archive.script(options: options.restoreOptions).statements
        let target = try TargetDatabase(options.target).connection
        let remarks = try entries.filter { !$0.isRefresh }.compactMap { entry in
            try stop.check()
            return try statements[entry.id].flatMap { try makeForeignKey(entry, $0, target) }
        }
        return try remarks + fillViews(entries.filter(\.isRefresh).compactMap { statements[$0.id] }, target)
    }

    private func makeForeignKey(
        _ entry: ArchiveContents.Entry, _ statement: String, _ target: Connection
    ) throws -> String? {
        let doing = "making \(entry.name)"
        do throws(PostgresError) {
            try target.execute(statement, doing: doing)
            return nil
        } catch {
            if error.sqlState == .duplicateObject { return nil }
            guard error.sqlState == .foreignKeyViolation, entry.isForeignKey, statement.last == ";" else {
                guard error.isOfStatement else { throw error }
                throw ProgramFailure(.conflict, "\(error); fix the cause and run the same command again")
            }
        }
        do throws(PostgresError) {
            try target.execute(statement.dropLast() + " NOT VALID;", doing: doing)
            return
                "\(entry.name): rows violate it, on the source too; it is NOT VALID on the target. Fix the rows, then "
                + "run there: ALTER TABLE … VALIDATE CONSTRAINT …;"
        } catch {
            guard error.isOfStatement else { throw error }
            // Before version 18 a partitioned table cannot have it so.
            return
                "\(entry.name): rows violate it, on the source too, and it is left out, because the target does not take "
                + "it as NOT VALID (\(error.message)). Fix the rows, then run there: \(statement.replacing("\n", with: " "))"
        }
    }

    /// Fills the materialized views that are not.
    private func fillViews(_ statements: [String], _ target: Connection) throws -> [String] {
        // As on the source: pg_restore would rather fail than have policies leave out rows.
        try target.execute("SET row_security = on", doing: "switching on policies")
        var unfilled: [String] = []
        var remarks: [String] = []
        for statement in statements {
            try stop.check()
            guard let name = try unfilledView(of: statement, target) else { continue }
            do throws(PostgresError) {
                try target.execute(statement, doing: "refreshing \(name)")
            } catch {
                guard error.isOfStatement else { throw error }
                unfilled.append(name)
                remarks.append(
                    "\(name) is not filled on the target (\(error.message)). Fix the cause, then run there: "
                        + "REFRESH MATERIALIZED VIEW \(name);")
            }
        }
        journal.unfilledViews = unfilled.isEmpty ? nil : unfilled
        return remarks
    }

    /// The materialized view that a statement of the archive refreshes; nil for one that has its rows.
    private func unfilledView(of statement: String, _ target: Connection) throws -> String? {
        let words = "REFRESH MATERIALIZED VIEW "
        guard statement.hasPrefix(words), statement.hasSuffix(";") else { return nil }
        let result = try target.query(
            """
            SELECT n.nspname, c.relname
              FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
             WHERE c.oid OPERATOR(pg_catalog.=) $1::pg_catalog.regclass AND NOT c.relispopulated
            """, [String(statement.dropFirst(words.count).dropLast())], doing: "looking for materialized views")
        guard result.rowCount > 0, let schema = result.text(0, 0), let name = result.text(0, 1) else { return nil }
        return Quoting.qualified(schema, name)
    }
}
