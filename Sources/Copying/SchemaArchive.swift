import Catalog
import Glibc
import Logging
import Observability
import Postgres
import Selection
import Supervision
import SystemPackage
import Threading

/// The source's definitions as pg_dump writes them: one archive of one snapshot, restored pass by pass (``RestoreOrder``).
package struct SchemaArchive {
    package let path: String
    package let tools: ClientTools
    package let stop: StopRequest
    package let logger: Logger
    /// The file that lists what is restored, where that is not all.
    private var list: String?
    /// What is restored, where that is known.
    package private(set) var kept: [ArchiveContents.Entry] = []
    /// What is made in which pass, once that is known.
    package private(set) var order = RestoreOrder()

    package init(path: String, tools: ClientTools, stop: StopRequest, logger: Logger) {
        self.tools = tools
        self.path = path
        self.stop = stop
        self.logger = logger
    }

    /// A file that is there already, for an archive that is needed for a moment.
    package static func temporaryPath() throws -> String {
        let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(folder)/walrelay-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else {
            throw ProgramFailure(.inputOutput, "no temporary file can be made: \(String(cString: strerror(errno)))")
        }
        close(descriptor)
        return template.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
    }

    /// Writes the archive. Publications and subscriptions belong to the source's place among other servers.
    package func dump(_ source: ConnectionString, snapshot: String?) throws {
        var arguments = [
            "--format=custom", "--section=pre-data", "--section=post-data",
            "--no-blobs", "--exclude-schema=walrelay",
            "--no-publications", "--no-subscriptions", "--file=\(path)",
        ]
        if let snapshot { arguments.append("--snapshot=\(snapshot)") }
        arguments += try Self.withoutServices(source)
        arguments.append("--encoding=\(try DatabaseSession.encoding(source))")
        try run("pg_dump", source, arguments)
    }

    /// Options of pg_dump that leave out schemas of a service that the role may not read: pg_dump locks every table.
    package static func withoutServices(_ server: ConnectionString) throws -> [String] {
        let connection = try Connection(server, applicationName: DatabaseSession.applicationName)
        let schemas = try connection.execute(
            """
            SELECT DISTINCT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND \(UserObject.namespace)
               AND pg_catalog.pg_get_userbyid(n.nspowner) = ANY (\(Provider.reservedArray))
               AND NOT (pg_catalog.has_schema_privilege(n.oid, 'USAGE')
                        AND pg_catalog.has_table_privilege(c.oid, 'SELECT'))
             ORDER BY 1
            """, doing: "looking for the schemas of the service")
        return schemas.column()
            .map { "--exclude-schema=\(Quoting.identifier($0))" }
    }

    /// Makes what the archive is narrowed to on the target. The first error ends it.
    package func restore(_ target: ConnectionString, jobs: Int, options: [String]) throws {
        // With it, a setting that the target does not know would end it; without, all errors are looked at.
        let ends = tools.isTooNewForTarget ? [] : ["--exit-on-error"]
        try run("pg_restore", durable(target), ends + ["--jobs=\(jobs)"] + listOptions + options, [path])
    }

    /// Makes of what the archive is narrowed to as much as the target takes.
    ///
    /// - Returns: it took everything.
    package func restoreWhatFits(_ target: ConnectionString, jobs: Int, options: [String]) throws -> Bool {
        let arguments = ["--jobs=\(jobs)"] + listOptions + options
        let ended = try execute("pg_restore", durable(target), arguments, [path], level: .debug)
        guard ended.code != 0, ended.code != 1 || ended.isLost else { return ended.code == 0 }
        throw failure("pg_restore", ended)
    }

    /// A crash of the server behind pg_restore's end could take back its last statements, and nobody would notice.
    private func durable(_ target: ConnectionString) throws -> ConnectionString {
        let isDurable = try !DatabaseSession.commitsAsynchronously(target)
        return isDurable ? target : try target.adding(option: "-c synchronous_commit=local")
    }

    /// The SQL text of what the archive is narrowed to, of each entry by its number.
    package func script(options: [String]) throws -> RestoreScript {
        // Into a file: what it says meanwhile must not get between the lines.
        let file = path + ".sql"
        defer { unlink(file) }
        let arguments = ["--verbose", "--file=\(file)"] + listOptions + options + [path]
        let code = try ClientProgram(name: tools.restore, arguments: arguments)
            .run(password: nil, stop: stop) { _ in }
        try stop.check()
        guard code == 0 else {
            throw ProgramFailure(.failure, "pg_restore ended with code \(code) instead of writing what is in \(path)")
        }
        var script = RestoreScript()
        let descriptor = try FileDescriptor.open(FilePath(file), .readOnly, options: .closeOnExec)
        var bytes: [UInt8] = []
        try descriptor.closeAfter {
            var piece = [UInt8](repeating: 0, count: 64 << 10)
            while case let count = try piece.withUnsafeMutableBytes({ try descriptor.read(into: $0) }), count > 0 {
                bytes += piece[..<count]
            }
        }
        for line in bytes.split(separator: 0x0A, omittingEmptySubsequences: false) {
            script.take(String(decoding: line, as: UTF8.self))
        }
        return script
    }

    /// Leaves out of what is restored what the selection leaves out, and what cannot be without that; says so of the
    /// latter.
    ///
    /// - Parameter source: sees what the archive is of.
    /// - Throws: ``ProgramFailure`` when a table that is selected is among the latter.
    package mutating func select(_ objects: SourceObjects, on source: Connection) throws {
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
                throw ProgramFailure(
                    .usage,
                    "\(entry.name) is selected, but needs something that the filters leave out (pg_restore --list "
                        + "--verbose says what): select that too, or leave out the table")
            }
            logger.warning("left out, because it needs something that the filters leave out: \(entry.name)")
        }
        kept = selected.kept
        try narrow(to: kept, "selected")
    }

    /// Reads what is in the archive; all of it is to be restored.
    package mutating func selectAll() throws {
        kept = try contents().entries
    }

    private func contents() throws -> ArchiveContents {
        var contents = ArchiveContents()
        try list(["--verbose"]) { contents.take($0) }
        try list(["--section=post-data"]) { contents.takeAfterRows($0) }
        contents.finish()
        guard !contents.entries.isEmpty else {
            throw ProgramFailure(.failure, "pg_restore lists nothing in \(path)")
        }
        return contents
    }

    private func list(_ options: [String], line: (String) -> Void) throws {
        let code = try ClientProgram(name: tools.restore, arguments: ["--list"] + options + [path])
            .run(password: nil, stop: stop, line: line)
        try stop.check()
        guard code == 0 else {
            throw ProgramFailure(.failure, "pg_restore ended with code \(code) instead of listing what is in \(path)")
        }
    }

    /// Finds out what is made in which pass.
    ///
    /// - Parameter waiting: keys that do not come with the others, by their numbers.
    package mutating func arrange(waiting: Set<Int>) throws {
        order = RestoreOrder(kept, waiting: waiting)
        guard let table = order.rest.first(where: \.isTable) else { return }
        throw ProgramFailure(
            .conflict,
            "\(table.name) cannot be copied: its definition needs something that pg_dump makes after the rows "
                + "(pg_restore --list --verbose \(path) says what), such as the row type of a materialized view; leave the "
                + "table out with --filters")
    }

    /// Restores only these from now on.
    ///
    /// - Parameter pass: a name for the file that lists them.
    package mutating func narrow(to entries: [ArchiveContents.Entry], _ pass: String) throws {
        if let list { unlink(list) }
        let list = "\(path).\(pass).list"
        let text = entries.map { $0.line + "\n" }.joined()
        self.list = list
        let file = try FileDescriptor.open(
            FilePath(list), .writeOnly, options: [.create, .truncate, .closeOnExec], permissions: .ownerReadWrite)
        try file.closeAfter { _ = try file.writeAll(text.utf8) }
    }

    /// Makes a key, with its comment, beside whatever else is continuing.
    package func restore(key: ArchiveContents.Entry, _ target: ConnectionString, options: [String]) throws {
        var alone = self
        alone.list = nil
        try alone.narrow(to: order.whole(key), "\(key.id)")
        defer { if let list = alone.list { unlink(list) } }
        try alone.restore(target, jobs: 1, options: options)
    }

    /// Writes the selected definitions as text.
    package func write(options: [String], line: (String) -> Void) throws -> Int32 {
        try ClientProgram(name: tools.restore, arguments: ["--file=-"] + listOptions + options + [path])
            .run(password: nil, stop: stop, line: line)
    }

    private var listOptions: [String] { list.map { ["--use-list=\($0)"] } ?? [] }

    /// What libpq says of a server that crashed or restarted or cannot be reached.
    private static let lossWords = [
        "server closed the connection", "connection to server", "SSL connection has been closed",
        "could not receive data from server", "terminating connection", "no connection to the server",
    ]

    /// What pg_restore writes about a setting of its own that the target does not know.
    private static let excused = ["transaction_timeout", "while INITIALIZING", "errors ignored on restore"]

    /// An earlier run has left it.
    package var exists: Bool { access(path, R_OK) == 0 }

    package func remove() {
        unlink(path)
        if let list { unlink(list) }
    }

    private func run(
        _ name: String, _ server: ConnectionString, _ arguments: [String], _ files: [String] = []
    ) throws {
        let ended = try execute(name, server, arguments, files, level: .warning)
        guard ended.code == 0 else { throw failure(name, ended) }
    }

    /// Runs a program to its end.
    ///
    /// - Parameter level: how loud its messages are.
    private func execute(
        _ name: String, _ server: ConnectionString, _ arguments: [String], _ files: [String], level: Logger.Level
    ) throws -> (code: Int32, isLost: Bool) {
        try stop.check()
        let program = try ClientProgram.connecting(tools.path(name), to: server, arguments)
        var isLost = false
        var errors = 0
        let watch = ProgramWatch(name, server, logger)
        defer { watch.end() }
        let code = try ClientProgram(name: program.name, arguments: program.arguments + files)
            .run(password: try server.password(), stop: stop) { line in
                // The server's DETAIL may quote rows.
                guard !line.hasPrefix("DETAIL:"), !line.isEmpty else { return }
                if tools.isTooNewForTarget && Self.excused.contains(where: { line.contains($0) }) { return }
                if line.hasPrefix("pg_restore: error:") { errors += 1 }
                isLost = isLost || Self.lossWords.contains { line.contains($0) }
                logger.log(level: level, "\(line)")
            }
        try stop.check()
        // All that it stumbled over is what the target need not know.
        if code == 1 && errors == 0 && name == "pg_restore" && tools.isTooNewForTarget { return (0, isLost) }
        return (code, isLost)
    }

    private func failure(_ name: String, _ ended: (code: Int32, isLost: Bool)) -> ProgramFailure {
        if ended.code >= 128 {
            return ProgramFailure(
                .incomplete, "\(name) was ended by signal \(ended.code - 128); run the same command again")
        }
        if ended.isLost {
            return ProgramFailure(
                .connection,
                "\(name) lost its server; its message is above. Run the same command again when the server is back")
        }
        return ProgramFailure(
            .conflict,
            "\(name) ended with code \(ended.code); its message is above. Fix the cause and run the same command again, or "
                + "restart with --restart")
    }
}
