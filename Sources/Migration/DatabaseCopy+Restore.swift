import Copying
import Logging
import Observability
import Postgres

// How a copy restores a pass.
extension DatabaseCopy {
    /// Makes entries of the archive on the target, with owners and privileges as far as they are wanted and may be given.
    ///
    /// - Parameter extra: further options of pg_restore.
    func make(
        _ entries: [ArchiveContents.Entry], _ pass: String, jobs: Int, extra: [String] = [],
        of archive: inout SchemaArchive
    ) throws {
        let entries = try withoutSchemas(entries)
        guard !entries.isEmpty else { return }
        guard
            var careful = try CarefulRestore(
                options.servers, skipsMissingRoles: options.skipsMissingRoles, logger: logger)
        else {
            try archive.narrow(to: entries, pass)
            return try archive.restore(options.target, jobs: jobs, options: options.restoreOptions + extra)
        }
        let plain = entries.filter { !CarefulRestore.isDelicate($0) }
        if !plain.isEmpty {
            try archive.narrow(to: plain, pass)
            let options = options.restoreOptions.filter { !CarefulRestore.restoreOptions.contains($0) }
            try archive.restore(
                self.options.target, jobs: jobs, options: options + CarefulRestore.restoreOptions + extra)
        }
        // Schemas first: who may make something there says what can be owned there.
        let schemas = Set(entries.filter(\.isSchema).map(\.id))
        let first = entries.filter { entry in
            schemas.contains(entry.id) || entry.text.hasPrefix("ACL - SCHEMA ")
                || entry.isAddition && entry.dependencies.contains { schemas.contains($0) }
        }
        let done = Set(first.map(\.id))
        let ordered = first + entries.filter { !done.contains($0.id) }
        try archive.narrow(to: ordered, pass)
        let statements = try archive.script(options: options.restoreOptions).statements
        let inOrder = ordered.filter { !$0.text.hasPrefix("ACL ") || done.contains($0.id) }
        try careful.finish(inOrder, statements: statements)
        // Who owns something is known by now.
        let privileges = ordered.filter { $0.text.hasPrefix("ACL ") && !done.contains($0.id) }
        try careful.finish(privileges, statements: statements)
        try note(careful)
    }

    /// A schema that a service makes in every database is there already.
    private func withoutSchemas(_ entries: [ArchiveContents.Entry]) throws -> [ArchiveContents.Entry] {
        guard journal.existing != nil, entries.contains(where: \.isSchema) else { return entries }
        let target = try TargetDatabase(options.target).connection
        let names = try target.execute("SELECT nspname FROM pg_catalog.pg_namespace", doing: "listing the schemas")
        let there = names.column().map { "SCHEMA - \($0) " }
        return entries.filter { entry in !there.contains { entry.text.hasPrefix($0) } }
    }

    private func note(_ careful: CarefulRestore) throws {
        var remarks = careful.remarks
        if !careful.missing.isEmpty {
            remarks.append(
                "left out, because the target has no such role: what these own or were granted: "
                    + careful.missing.sorted().joined(separator: ", "))
        }
        let new = remarks.filter { journal.remarks?.contains($0) != true }
        guard !new.isEmpty else { return }
        for remark in new { logger.warning("\(remark)") }
        try note { $0.remarks = ($0.remarks ?? []) + new }
    }
}
