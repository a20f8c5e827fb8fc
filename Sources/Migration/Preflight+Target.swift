import Apply
import Copying
import Observability
import Postgres
import Selection
import Spool

// The target, and what is copied once or not at all.
extension Preflight {
    func lookAtTarget() throws {
        try lookAtText()
        // Version 18 is the first that has it. Who may not see it finds no row.
        let path = try text(
            target,
            "SELECT setting FROM pg_catalog.pg_settings WHERE name OPERATOR(pg_catalog.=) 'extension_control_path'")
        try lookForMissing(
            "extensions", "SELECT extname FROM pg_catalog.pg_extension",
            "SELECT name FROM pg_catalog.pg_available_extensions UNION SELECT extname FROM pg_catalog.pg_extension",
            "install their packages on the target's machine"
                + (["", "$system"].contains(path)
                    ? "" : "; extension_control_path, where they are looked for, is '\(path)' there")
        ) { [selection] in selection.includes(extension: $0) }
        if !options.restoreOptions.contains("--no-tablespaces") {
            try lookForMissing(
                "tablespaces",
                "SELECT DISTINCT t.spcname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_tablespace t ON t.oid = c.reltablespace"
                    + " WHERE t.spcname NOT LIKE 'pg\\_%'", "SELECT spcname FROM pg_catalog.pg_tablespace",
                "make them on the target, or give --no-tablespaces")
        }
    }

    private func lookForMissing(
        _ what: String, _ needed: String, _ there: String, _ remedy: String,
        isWanted: (String) -> Bool = { _ in true }
    ) throws {
        let known = Set(try column(target, there))
        let all = try column(source, needed).filter(isWanted)
        let missing = all.filter { !known.contains($0) }
        if missing.isEmpty {
            pass(.target, what, all.isEmpty ? "none needed" : "all \(all.count) are there")
        } else {
            fail(.target, what, "the target lacks \(what) of the source: \(Figures.some(missing))", remedy)
        }
    }

    /// How texts are stored and sorted.
    private func lookAtText() throws {
        let encodings = (try text(source, "SHOW server_encoding"), try text(target, "SHOW server_encoding"))
        if encodings.0 != encodings.1 {
            warn(
                .target, "encoding", "the source's encoding is \(encodings.0), the target's \(encodings.1)",
                "a character that the target does not have stops the copy; CREATE DATABASE … ENCODING "
                    + "\(Quoting.literal(encodings.0)) TEMPLATE template0 avoids that")
        } else {
            pass(.target, "encoding", encodings.0)
        }
        let query =
            "SELECT datcollate || ', ' || datctype FROM pg_catalog.pg_database "
            + "WHERE datname = pg_catalog.current_database()"
        let collations = (try text(source, query), try text(target, query))
        if collations.0 != collations.1 {
            warn(
                .target, "collation",
                "the source's collation and character type are \(collations.0), the target's \(collations.1): texts sort "
                    + "otherwise",
                "if that matters make the target's database with LC_COLLATE and LC_CTYPE of the source")
        } else {
            pass(.target, "collation", collations.0)
        }
    }

    /// What is copied once, or not at all, or behaves otherwise while changes are applied.
    func lookAtLimits() throws {
        let objects = Int(try text(source, "SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata")) ?? 0
        if objects > 0 && options.skipsLargeObjects {
            warn(.source, "large objects", "\(objects) large objects are NOT copied (--skip-large-objects)")
        } else if objects > 0 && options.follows {
            warn(
                .source, "large objects",
                "\(objects) large objects are not in the stream of changes: what changes of them is brought over in the "
                    + "switchover", "the less changes of them, the shorter that is")
        } else {
            pass(.source, "large objects", objects == 0 ? "none" : "\(objects), copied")
        }
        let configured = try column(
            source,
            "SELECT pg_catalog.quote_ident(extname) FROM pg_catalog.pg_extension WHERE extconfig IS NOT NULL ORDER BY 1"
        )
        if !configured.isEmpty && options.follows {
            warn(
                .source, "extensions",
                "rows that users added to tables of extensions are not in the stream of changes: what changes of them is "
                    + "brought over in the switchover: " + configured.joined(separator: ", "))
        }
        guard options.follows else { return }
        for (kind, what, remedy) in [
            (
                "trigger", "triggers will fire on the target while changes are applied (ENABLE REPLICA or ALWAYS)",
                "disable them on the target after the copy, if what they do is already in the source's changes"
            ), ("rule", "rules will rewrite what is applied (ENABLE REPLICA or ALWAYS)", "disable them on the target"),
            (
                "deferrable", "deferrable keys are not checked while changes are applied",
                "look for duplicates before the switch-over"
            ),
        ] {
            let names = try TargetCheck.names(on: source)[kind] ?? []
            if names.isEmpty {
                pass(.source, kind == "deferrable" ? "deferrable keys" : "\(kind)s", "none that behaves otherwise")
            } else {
                warn(
                    .source, kind == "deferrable" ? "deferrable keys" : "\(kind)s", "\(what): \(Figures.some(names))",
                    remedy)
            }
        }
    }

    func lookAtDisk() {
        var folder = SpoolDirectory(options.spool).path
        // The folder may not be there yet.
        while SpoolDirectory(folder).freeBytes() == nil, let slash = folder.lastIndex(of: "/"),
            slash > folder.startIndex
        {
            folder = String(folder[..<slash])
        }
        guard options.follows, let free = SpoolDirectory(folder).freeBytes() ?? SpoolDirectory(".").freeBytes() else {
            return
        }
        let size = CloneProgress.megabytes(Int(clamping: free))
        if free < 1 << 30 {
            warn(
                .here, "spool", "only \(size) are free for \(options.spool)",
                "the log holds what the source changes until the target has it: choose another --dir")
        } else {
            pass(
                .here, "spool",
                "\(size) free for \(options.spool); the log stays there until it is short, or as --keep-log says")
        }
    }
}
