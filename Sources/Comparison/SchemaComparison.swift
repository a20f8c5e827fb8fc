import Catalog
import Copying
import Glibc
import Logging
import Observability
import Postgres
import Selection
import Spool
import Supervision
import Threading

/// Compares the definitions of both sides, as pg_dump writes them.
public struct SchemaComparison: Sendable {
    package let options: ComparisonOptions

    /// A comparison of the servers in the options.
    package init(_ options: ComparisonOptions) {
        self.options = options
    }

    /// Compares both sides.
    ///
    /// - Throws: ``ProgramFailure`` when pg_dump fails; its own message is in it.
    public func run(stop: StopRequest) throws -> Outcome {
        let target = try Connection(options.servers.target, applicationName: DatabaseSession.applicationName)
        // A copy needs a pg_dump of the source's version, and this must not need another.
        let tools = try ClientTools.find(options.servers)
        let isReadable = target.serverVersion / 10_000 <= tools.version
        guard isReadable else { return Outcome(differences: try factsThatDiffer(target), tooOld: tools.version) }
        return Outcome(differences: try definitionsThatDiffer(stop), tooOld: nil)
    }

    /// What the catalogs of both sides say differently, of what every version says alike.
    private func factsThatDiffer(_ target: Connection) throws -> [Difference] {
        let source = try Connection(options.servers.source, applicationName: DatabaseSession.applicationName)
        return try Drift.look(options.basis, options.selection, source, target).items.map { item in
            Difference(object: "\(item.kind) \(item.name)", state: item.what, source: nil, target: nil)
        }
    }

    /// What differs, sorted by its name; nothing when the definitions are equal.
    private func definitionsThatDiffer(_ stop: StopRequest) throws -> [Difference] {
        let selection = options.selection
        let ours =
            selection.includesAllObjects
            ? try definitions(options.servers.source, stop) : try selectedDefinitions(selection, stop)
        var theirs = try definitions(options.servers.target, stop)
        if !selection.includesAllObjects {
            // An extension that is not to be made may be there all the same.
            theirs = theirs.filter { object, _ in
                ["EXTENSION -.", "COMMENT -.EXTENSION "].allSatisfy { prefix in
                    !object.hasPrefix(prefix) || selection.includes(extension: String(object.dropFirst(prefix.count)))
                }
            }
        }
        let waiting = options.basis?.waiting ?? []
        let isShared = options.basis?.isShared ?? false
        let printed = try PrintedComparison(source: options.servers.source, target: options.servers.target)
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

    /// What of the source's definitions is selected, in the way in which a copy selects it.
    private func selectedDefinitions(_ selection: Selection, _ stop: StopRequest) throws -> [String: String] {
        let path = try SchemaArchive.temporaryPath()
        // What the copy said is not said again.
        let silent = Logger(label: "") { _ in SwiftLogNoOpLogHandler() }
        var archive = try SchemaArchive(path: path, tools: .find(options.servers), stop: stop, logger: silent)
        defer { archive.remove() }
        try archive.dump(options.servers.source, snapshot: nil)
        let source = try Connection(options.servers.source, applicationName: DatabaseSession.applicationName)
        try archive.select(SourceObjects(on: source, selection), on: source)
        var parser = DumpParser()
        let code = try archive.write(options: options.restoreOptions) { parser.take($0) }
        try stop.check()
        guard code == 0 else { throw ProgramFailure(.failure, "pg_restore ended with code \(code)") }
        // A plain dump of definitions has no contents of materialized views.
        return parser.definitions.filter { !$0.key.hasPrefix("MATERIALIZED VIEW DATA ") }
    }

    /// Each object's statements, by the line with which pg_dump announces it.
    private func definitions(_ server: ConnectionString, _ stop: StopRequest) throws -> [String: String] {
        let tools = try ClientTools.find(options.servers)
        let program = try ClientProgram.connecting(
            tools.dump, to: server,
            ["--schema-only", "--exclude-schema=walrelay", "--no-publications", "--no-subscriptions"]
                + ["--encoding=\(try DatabaseSession.encoding(server))"] + SchemaArchive.withoutServices(server)
                + options.restoreOptions)
        var parser = DumpParser()
        var last = ""
        let code = try program.run(password: try server.password(), stop: stop) { line in
            parser.take(line)
            if line.hasPrefix("pg_dump:") { last = line }
        }
        try stop.check()
        guard code == 0 else {
            throw ProgramFailure(
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
