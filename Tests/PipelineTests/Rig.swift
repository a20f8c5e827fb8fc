import TestSupport
import Testing

/// A source and a target database with a publication, a slot, a position and a spool of their own.
///
///     try await Rig.run("CREATE TABLE t (id int PRIMARY KEY)") { rig in
///         try await rig.onSource("INSERT INTO t VALUES (1)")
///         try await rig.catchUp()
///         try await rig.expectEqual()
///     }
struct Rig: Sendable {
    let source: Cluster
    let target: Cluster
    let sourceDatabase: String
    let targetDatabase: String
    /// Unique on the source, whose databases share their slots; the slot and the target's position have this name.
    let name: String
    let folder: TemporaryFolder
    /// How receive is told of the publication.
    let publicationArguments: [String]

    /// The spool's folder.
    var spool: String { folder.path("spool") }
    var sourceString: String { source.connectionString(database: sourceDatabase) }
    var targetString: String { target.connectionString(database: targetDatabase) }

    private static let counter = NameCounter()

    /// Makes a rig, runs `body` with it, and removes its databases and slot again.
    ///
    /// - Parameters:
    ///   - schema: SQL for both databases.
    ///   - targetMajor: the version of the target, which is a shared one; the source's is then that or an older one.
    ///   - publication: what follows the publication's name; nil for a test that leaves publications to receive.
    ///   - createsSlot: false for a test that makes the slot itself.
    static func run(
        _ schema: String = "", source: Cluster? = nil, target: Cluster? = nil, targetMajor: Int? = nil,
        publication: String? = "FOR ALL TABLES", createsSlot: Bool = true, _ body: (Rig) async throws -> Void
    ) async throws {
        var (source, target) = (source, target)
        if let targetMajor {
            target = try await .shared(.target, major: targetMajor)
            let major = min(targetMajor, try await PostgresInstallation.of(.source).major)
            source = try await .shared(.source, major: major)
        }
        let rig = try await Rig(source: source, target: target, hasPublication: publication != nil)
        do {
            if !schema.isEmpty { try await rig.onBoth(schema) }
            if let publication { try await rig.onSource("CREATE PUBLICATION relay \(publication)") }
            if createsSlot { try await rig.receive("--create-slot").checked("receive") }
            try await body(rig)
        } catch {
            try? await rig.remove()
            throw error
        }
        try await rig.remove()
    }

    private init(source: Cluster?, target: Cluster?, hasPublication: Bool) async throws {
        publicationArguments = hasPublication ? ["--publication", "relay"] : []
        if let source { self.source = source } else { self.source = try await .shared(.source) }
        if let target { self.target = target } else { self.target = try await .shared(.target) }
        sourceDatabase = try await self.source.createDatabase(prefix: "source")
        targetDatabase = try await self.target.createDatabase(prefix: "target")
        name = "relay_\(Rig.counter.next())"
        folder = try TemporaryFolder("rig")
    }

    private func remove() async throws {
        try await source.dropDatabase(sourceDatabase)
        try await target.dropDatabase(targetDatabase)
    }
}

// SQL.
extension Rig {
    @discardableResult
    func onSource(_ sql: String) async throws -> String { try await source.sql(sql, database: sourceDatabase) }

    @discardableResult
    func onTarget(_ sql: String) async throws -> String { try await target.sql(sql, database: targetDatabase) }

    func onBoth(_ sql: String) async throws {
        try await onSource(sql)
        try await onTarget(sql)
    }

    /// Copies schema and rows by pg_dump, before any load.
    func copyByDump() async throws {
        try await shell("pg_dump -d \"$SOURCE\" | psql -Xqo /dev/null -v ON_ERROR_STOP=1 -d \"$TARGET\"")
            .checked("pg_dump | psql")
    }

    /// What differs between the two databases.
    func differences() async throws -> [String] {
        try await DatabaseComparison.differences(
            source: (source, sourceDatabase), target: (target, targetDatabase))
    }

    func expectEqual(_ location: SourceLocation = #_sourceLocation) async throws {
        let found = try await differences()
        #expect(found == [], sourceLocation: location)
    }

    /// A dead receiver's slot is free once its WAL sender has noticed.
    func awaitFreeSlot() async throws {
        try await source.awaitSQL(
            "SELECT active FROM pg_replication_slots WHERE slot_name = '\(name)'", equals: "f")
    }
}

// The programs.
extension Rig {
    /// What every receive of this rig is started with.
    var receiveArguments: [String] {
        ["--source", sourceString, "--slot", name, "--dir", spool] + publicationArguments
    }

    /// Runs receive with further arguments.
    func receive(_ arguments: String...) async throws -> Finished {
        try await Program.run("receive", receiveArguments + arguments)
    }

    /// Variables for scripts: SOURCE, TARGET, NAME, SPOOL, FOLDER, and RECEIVE, an array of arguments made by `set`.
    var environment: [String: String] {
        [
            "SOURCE": sourceString, "TARGET": targetString, "NAME": name, "SPOOL": spool, "FOLDER": folder.path,
            "PUBLICATION": publicationArguments.joined(separator: " "),
        ]
    }

    /// Functions that spare scripts the arguments that are always the same.
    private var prelude: String {
        """
        PATH="\(clientFolder):$PATH"
        receive() { command receive --source "$SOURCE" --slot "$NAME" $PUBLICATION "$@"; }
        transform() { command transform --origin "$NAME" "$@"; }
        replay() { command replay --target "$TARGET" --origin "$NAME" "$@"; }
        cd "$FOLDER"

        """
    }

    /// The folder of PostgreSQL's programs that know both servers: pg_dump reads its own version and older ones.
    var clientFolder: String { PostgresInstallation.newer(source.installation, target.installation).bindir }

    /// Runs a script in which `receive`, `transform` and `replay` know their servers, slot and position.
    func shell(_ script: String, timeout: Duration = .seconds(180)) async throws -> Finished {
        try await Program.shell(prelude + script, environment: environment, timeout: timeout)
    }

    /// Starts such a script in the background.
    func start(_ script: String) throws -> RunningProgram {
        try Program.startShell(prelude + script, environment: environment)
    }

    /// Starts one stage alone: the process of the result is the stage's own, so that signals reach it.
    ///
    /// - Parameter redirections: for example `<in >out`, in the rig's folder.
    func stage(_ name: String, _ arguments: [String], _ redirections: String = "") throws -> RunningProgram {
        let own: [String] =
            switch name {
            case "receive": ["--source", sourceString, "--slot", self.name] + publicationArguments
            case "replay": ["--target", targetString, "--origin", self.name]
            default: ["--origin", self.name]
            }
        let words = (own + arguments).map { "'" + $0.replacing("'", with: "'\\''") + "'" }.joined(separator: " ")
        return try Program.startShell("cd \"$FOLDER\"; exec \(name) \(words) \(redirections)", environment: environment)
    }

    /// What `replay --position` prints.
    func position() async throws -> String {
        try await shell("replay --position").checked("replay --position").outputLines.first ?? ""
    }

    /// Receives what the source has at present into the spool.
    func capture(_ arguments: String...) async throws {
        // A load may have left much on a machine that is busy besides.
        try await Program.run(
            "receive", receiveArguments + ["--endpos", "current"] + arguments, timeout: .seconds(300)
        ).checked("receive")
    }

    /// Applies the spool to the target, from where the target is.
    func apply(_ arguments: String = "") async throws {
        try await shell("transform --from \"$(replay --position)\" \(arguments) \"$SPOOL\" | replay")
            .checked("transform | replay")
    }

    /// Brings the target to where the source is.
    func catchUp() async throws {
        try await capture()
        try await apply()
    }

    /// The sealed segments' paths, in order.
    func sealedSegments() async throws -> [String] {
        try await shell("ls \"$SPOOL\"/segments/*.seg.lz4").checked("ls").outputLines
    }
}
