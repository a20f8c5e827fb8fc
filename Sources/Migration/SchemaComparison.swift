import Glibc
import Observability
import Logging
import Postgres
import Selection
import Spool
import Threading

/// Compares the definitions of both sides, as pg_dump writes them.
public struct SchemaComparison: Sendable {
    /// A definition that is not the same.
    public struct Difference: Encodable, Sendable {
        /// What differs, as `TYPE schema.name`.
        public var object: String
        /// Where it is: `differs`, `only on the source`, `only on the target`.
        public var state: String
        /// The statements on the source.
        public var source: String?
        /// The statements on the target.
        public var target: String?

        /// The lines of both sides, as `diff` shows them: with `-` those of the source alone, with `+` those of the target
        /// alone, and the others as they are.
        public var lines: [String] {
            let ours = (source ?? "").split(separator: "\n", omittingEmptySubsequences: false)
            let theirs = (target ?? "").split(separator: "\n", omittingEmptySubsequences: false)
            let changes = theirs.difference(from: ours)
            var removed: Set<Int> = []
            var inserted: Set<Int> = []
            for change in changes {
                switch change {
                case .remove(let offset, _, _): removed.insert(offset)
                case .insert(let offset, _, _): inserted.insert(offset)
                }
            }
            var lines: [String] = []
            var (our, their) = (0, 0)
            while our < ours.count || their < theirs.count {
                if our < ours.count && removed.contains(our) {
                    lines.append("-\(ours[our])")
                    our += 1
                } else if their < theirs.count && inserted.contains(their) {
                    lines.append("+\(theirs[their])")
                    their += 1
                } else {
                    lines.append(" \(our < ours.count ? ours[our] : "")")
                    our += 1
                    their += 1
                }
            }
            return lines
        }
    }

    let options: CloneOptions

    /// A comparison of the servers in the options.
    public init(_ options: CloneOptions) {
        self.options = options
    }

    /// What differs, sorted by its name; nothing when the definitions are equal.
    ///
    /// - Throws: ``MigrationError`` when pg_dump fails; its own message is in it.
    public func run(stop: StopRequest) throws -> [Difference] {
        let selection = try options.adoptingJournal().selection()
        let ours =
            selection.includesAllObjects
            ? try definitions(options.source, stop) : try selectedDefinitions(selection, stop)
        var theirs = try definitions(options.target, stop)
        if !selection.includesAllObjects {
            // An extension that is not to be made may be there all the same.
            theirs = theirs.filter { object, _ in
                ["EXTENSION -.", "COMMENT -.EXTENSION "].allSatisfy { prefix in
                    !object.hasPrefix(prefix) || selection.includes(extension: String(object.dropFirst(prefix.count)))
                }
            }
        }
        let waiting = try waitingObjects()
        let isShared = try CloneJournal.read(SpoolDirectory(options.spool))?.existing != nil
        let printed = try PrintedComparison(source: options.source, target: options.target)
        return Set(ours.keys).union(theirs.keys).sorted().compactMap { object in
            guard ours[object] != theirs[object] else { return nil }
            // Left out on purpose until the switchover, or there before the copy.
            if theirs[object] == nil && waiting.contains(object) || ours[object] == nil && isShared { return nil }
            if let our = ours[object], let their = theirs[object], printed.translated(our, of: object) == their {
                return nil
            }
            let state =
                theirs[object] == nil
                ? "only on the source" : ours[object] == nil ? "only on the target" : "differs"
            return Difference(object: object, state: state, source: ours[object], target: theirs[object])
        }
    }

    /// What comes to the target in the switchover.
    private func waitingObjects() throws -> Set<String> {
        let spool = SpoolDirectory(options.spool)
        guard let late = try CloneJournal.read(spool)?.late, late != .made else { return [] }
        return Set(try LateDefinitions.read(spool).items.flatMap(\.objects))
    }

    /// What of the source's definitions is selected, in the way in which a copy selects it.
    private func selectedDefinitions(_ selection: Selection, _ stop: StopRequest) throws -> [String: String] {
        let path = try SchemaArchive.temporaryPath()
        // What the copy said is not said again.
        let silent = Logger(label: "") { _ in SwiftLogNoOpLogHandler() }
        var archive = try SchemaArchive(path: path, tools: .find(options), stop: stop, logger: silent)
        defer { archive.remove() }
        try archive.dump(options.source, snapshot: nil)
        let source = try Connection(options.source, applicationName: TargetDatabase.applicationName)
        try archive.select(SourceObjects(on: source, selection), on: source)
        var parser = DumpParser()
        let code = try archive.write(options: options.restoreOptions) { parser.take($0) }
        try stop.check()
        guard code == 0 else { throw MigrationError(.failure, "pg_restore ended with code \(code)") }
        // A plain dump of definitions has no contents of materialized views.
        return parser.definitions.filter { !$0.key.hasPrefix("MATERIALIZED VIEW DATA ") }
    }

    /// Each object's statements, by the line with which pg_dump announces it.
    private func definitions(_ server: ConnectionString, _ stop: StopRequest) throws -> [String: String] {
        let tools = try ClientTools.find(options)
        let program = try ClientProgram.connecting(
            tools.dump, to: server,
            ["--schema-only", "--exclude-schema=walrelay", "--no-publications", "--no-subscriptions"]
                + ["--encoding=\(try DatabaseCopy.encoding(server))"] + SchemaArchive.withoutServices(server)
                + options.restoreOptions)
        var parser = DumpParser()
        var last = ""
        let code = try program.run(password: server.parameters["password"], stop: stop) { line in
            parser.take(line)
            if line.hasPrefix("pg_dump:") { last = line }
        }
        try stop.check()
        guard code == 0 else {
            throw MigrationError(
                .unsuitableServer,
                "pg_dump ended with code \(code): \(last); it must be of the newer server's version or a later one")
        }
        return parser.definitions
    }
}

/// Takes the plain text of pg_dump apart.
struct DumpParser {
    private(set) var definitions: [String: String] = [:]
    private var object: String?

    /// The next line of the text.
    mutating func take(_ line: String) {
        if line.hasPrefix("-- Name: ") {
            // "-- Name: people; Type: TABLE; Schema: shop; Owner: -"
            let parts = line.dropFirst(3).split(separator: "; ").map { $0.split(separator: ": ", maxSplits: 1) }
            var fields: [Substring: Substring] = [:]
            for part in parts where part.count == 2 { fields[part[0]] = part[1] }
            object = "\(fields["Type"] ?? "") \(fields["Schema"] ?? "-").\(fields["Name"] ?? "")"
            return
        }
        guard let object, !line.isEmpty, !line.hasPrefix("--"), !line.hasPrefix("SET default_"), !line.hasPrefix("\\")
        else { return }
        definitions[object] = definitions[object].map { $0 + "\n" + line } ?? line
    }
}
