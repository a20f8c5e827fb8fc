import Glibc
import Logging
import Observability
import Postgres
import Selection
import SystemPackage
import Threading

/// The source's definitions as pg_dump writes them: one archive of one snapshot, restored in two parts.
struct SchemaArchive {
    /// A part of the definitions.
    enum Section: String {
        /// What must be there before rows are.
        case before = "pre-data"
        /// Indexes, constraints, triggers, and the contents of materialized views.
        case after = "post-data"
    }

    let path: String
    let stop: StopRequest
    let logger: Logger
    /// The file that lists what is restored, where that is not all.
    private var list: String?
    /// What is restored, where that is known.
    private(set) var kept: [ArchiveContents.Entry] = []
    /// Indexes that are made with what comes behind the keys, by their numbers.
    var late: Set<Int> = []

    private var listPath: String

    init(path: String, stop: StopRequest, logger: Logger) {
        self.path = path
        listPath = path + ".list"
        self.stop = stop
        self.logger = logger
    }

    /// Writes the archive. Publications and subscriptions belong to the source's place among other servers.
    func dump(_ source: ConnectionString, snapshot: String?) throws {
        var arguments = [
            "--format=custom", "--section=\(Section.before.rawValue)", "--section=\(Section.after.rawValue)",
            "--no-blobs", "--exclude-schema=walrelay",
            "--no-publications", "--no-subscriptions", "--file=\(path)",
        ]
        if let snapshot { arguments.append("--snapshot=\(snapshot)") }
        arguments.append("--encoding=\(try DatabaseCopy.encoding(source))")
        try run("pg_dump", source, arguments)
    }

    /// Makes one part of the definitions on the target. The first error ends it.
    func restore(_ section: Section, _ target: ConnectionString, jobs: Int, options: [String]) throws {
        let arguments =
            ["--exit-on-error", "--section=\(section.rawValue)", "--jobs=\(jobs)"] + listOptions + options
        // A crash of the server behind pg_restore's end could take back its last statements, and nobody would notice.
        let isDurable = try !TargetDatabase.commitsAsynchronously(target)
        try run(
            "pg_restore", isDurable ? target : target.adding(option: "-c synchronous_commit=local"), arguments, [path])
    }

    /// Leaves out of what is restored what the selection leaves out, and what cannot be without that; says so of the
    /// latter.
    ///
    /// - Parameter source: sees what the archive is of.
    /// - Throws: ``MigrationError`` when a table that is selected is among the latter.
    mutating func select(_ objects: SourceObjects, on source: Connection) throws {
        let contents = try contents()
        let dangling = try objects.danglingKeys(on: source)
        for key in dangling {
            logger.warning("left out: the foreign key \(key.name), because rows that it refers to are left out")
        }
        let selected = contents.leaving(
            out: try objects.leftOut(on: source).union(dangling.map(\.address)), extensions: objects.extensionsLeftOut)
        let tables = objects.selectedTables
        for entry in selected.dependents {
            let isTable = entry.address.catalog == SourceObjects.Address.relations
            if isTable && tables.contains(entry.address.oid) {
                throw MigrationError(
                    .usage,
                    "\(entry.name) is selected, but needs something that the filters leave out (pg_restore --list "
                        + "--verbose says what): select that too, or leave out the table")
            }
            logger.warning("left out, because it needs something that the filters leave out: \(entry.name)")
        }
        kept = selected.kept
        try write(list: kept)
    }

    /// Reads what is in the archive; all of it is to be restored.
    mutating func selectAll() throws {
        kept = try contents().entries
    }

    private func contents() throws -> ArchiveContents {
        var contents = ArchiveContents()
        let code = try ClientProgram(name: "pg_restore", arguments: ["--list", "--verbose", path])
            .run(password: nil, stop: stop) { contents.take($0) }
        try stop.check()
        guard code == 0, !contents.entries.isEmpty else {
            throw MigrationError(.failure, "pg_restore ended with code \(code) instead of listing what is in \(path)")
        }
        return contents
    }

    /// Restores what comes behind the rows only as far as rows are found by it, or only the rest.
    ///
    /// - Parameter made: the numbers of what is there already.
    mutating func narrow(toKeys: Bool, without made: Set<Int> = []) throws {
        let late = late
        try write(
            list: kept.filter { entry in
                toKeys == (entry.isKey && !late.contains(entry.id)) && !made.contains(entry.id)
            })
    }

    /// Makes one thing that comes behind the rows, beside whatever else is going on.
    func restore(_ entry: ArchiveContents.Entry, _ target: ConnectionString, options: [String]) throws {
        var alone = self
        alone.listPath = "\(path).\(entry.id).list"
        try alone.write(list: [entry])
        defer { unlink(alone.listPath) }
        try alone.restore(.after, target, jobs: 1, options: options)
    }

    private mutating func write(list entries: [ArchiveContents.Entry]) throws {
        let list = listPath
        let text = entries.map { $0.line + "\n" }.joined()
        self.list = list
        let file = try FileDescriptor.open(
            FilePath(list), .writeOnly, options: [.create, .truncate, .closeOnExec], permissions: .ownerReadWrite)
        try file.closeAfter { _ = try file.writeAll(text.utf8) }
    }

    /// Writes the selected definitions as text.
    func write(options: [String], line: (String) -> Void) throws -> Int32 {
        try ClientProgram(name: "pg_restore", arguments: ["--file=-"] + listOptions + options + [path])
            .run(password: nil, stop: stop, line: line)
    }

    private var listOptions: [String] { list.map { ["--use-list=\($0)"] } ?? [] }

    /// What libpq says of a server that fell over or cannot be reached.
    private static let lossWords = [
        "server closed the connection", "connection to server", "SSL connection has been closed",
        "could not receive data from server", "terminating connection", "no connection to the server",
    ]

    /// An earlier run has left it.
    var exists: Bool { access(path, R_OK) == 0 }

    func remove() {
        unlink(path)
        if let list { unlink(list) }
    }

    private func run(
        _ name: String, _ server: ConnectionString, _ arguments: [String], _ files: [String] = []
    ) throws {
        try stop.check()
        let program = try ClientProgram.connecting(name, to: server, arguments)
        var isLost = false
        let code = try ClientProgram(name: name, arguments: program.arguments + files)
            .run(password: server.parameters["password"], stop: stop) { line in
                // The server's DETAIL may quote rows.
                guard !line.hasPrefix("DETAIL:"), !line.isEmpty else { return }
                isLost = isLost || Self.lossWords.contains { line.contains($0) }
                logger.warning("\(line)")
            }
        try stop.check()
        guard code < 128 else {
            throw MigrationError(
                .incomplete, "\(name) was ended by signal \(code - 128); run the same command again")
        }
        guard code == 0 else {
            if isLost {
                throw MigrationError(
                    .connection,
                    "\(name) lost its server; its message is above. Run the same command again when the server is back")
            }
            throw MigrationError(
                .conflict,
                "\(name) ended with code \(code); its message is above. Mend the cause and run the same command again, or begin "
                    + "anew with --restart")
        }
    }
}
