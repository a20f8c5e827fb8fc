import Apply
import Catalog
import Copying
import Logging
import Observability
import Postgres
import Selection
import Threading

/// Looks at both servers, and at this machine, before anything is made: what would stop a migration, and what the user
/// should know.
public final class Preflight {
    let options: CloneOptions
    let source: Connection
    let target: Connection
    /// What was found so far.
    var findings: [Finding] = []
    /// What is to be moved.
    let selection: Selection
    /// Whose servers these are.
    let providers: (source: Provider?, target: Provider?)
    /// The target has contents that the copy leaves alone.
    var findsContents = false
    /// Sides that are standbys: what cannot be tried there needs no finding of its own.
    var standbys: [Finding.Place] = []
    /// Foreign keys and triggers come to the target in the switchover.
    var leavesTriggersLate = false

    init(_ options: CloneOptions, source: Connection, target: Connection) throws {
        self.options = options
        selection = try options.selection()
        self.source = source
        self.target = target
        providers = (try Provider.of(source), try Provider.of(target))
        leavesTriggersLate = options.follows && options.triggers == .late
    }

    /// Everything there is to find, without stopping at the first failure.
    ///
    /// - Throws: ``PostgresError`` when a server cannot be reached or asked.
    ///
    /// - Parameter keepsWayBack: also what going on in the other direction needs.
    public static func findings(
        _ options: CloneOptions, keepsWayBack: Bool = false, stop: StopRequest
    ) throws -> [Finding] {
        let source = try Connection(options.source, applicationName: DatabaseSession.applicationName)
        let target = try TargetDatabase(options.target)
        var options = options
        options.filters = try options.addingProvidersSchemas(of: source)
        let preflight = try Preflight(options, source: source, target: target.connection)
        try preflight.look(stop)
        try preflight.attempt(.target, "contents") { try preflight.lookAtContents() }
        try preflight.attempt(.target, "definitions") { try preflight.lookAtDefinitions(stop) }
        guard keepsWayBack else { return preflight.findings }
        return try preflight.findings + wayBackFindings(options)
    }

    /// What a migration looks at when it begins: logs the warnings.
    ///
    /// - Returns: which databases these are.
    /// - Throws: ``ProgramFailure`` with what must be changed first.
    func run(logger: Logger, stop: StopRequest) throws -> (source: DatabaseIdentity, target: DatabaseIdentity) {
        let databases = try look(stop)
        if let failure = findings.first(where: { $0.status == .fail }) {
            throw ProgramFailure(failure.exitStatus, failure.sentence)
        }
        for finding in findings where finding.status == .warn { logger.warning("\(finding.sentence)") }
        return databases
    }

    @discardableResult
    private func look(_ stop: StopRequest) throws -> (source: DatabaseIdentity, target: DatabaseIdentity) {
        let databases = (source: try DatabaseSession.identity(source), target: try DatabaseSession.identity(target))
        guard databases.source != databases.target else {
            throw ProgramFailure(.usage, "source and target are the same database")
        }
        try lookAtVersions()
        try lookForStandbys()
        try attempt(.source, "connection") { try lookForPoolers() }
        try attempt(.source, "filters") { try lookAtSelection() }
        try attempt(.source, "schema walrelay") { try lookAtReservedSchema() }
        if options.follows {
            try attempt(.source, "settings") { try lookAtSettings() }
            try attempt(.source, "role") { try lookAtReplication() }
            try attempt(.target, "role") { try lookAtTargetRole() }
            try attempt(.source, "publication") { try lookAtPublishing() }
        }
        try attempt(.source, "reading") { try lookAtReading() }
        if options.follows { try attempt(.source, "fence") { try lookAtFence() } }
        try attempt(.target, "target") { try lookAtTarget() }
        try attempt(.target, "database") { try lookAtMaking() }
        try attempt(.target, "roles") { try lookAtTargetRoles() }
        try attempt(.source, "limits") { try lookAtLimits() }
        try attempt(.target, "code") { try lookAtCode() }
        try attempt(.target, "time zone") { try lookAtTimeZones() }
        if options.follows { try attempt(.source, "keys") { try lookAtKeyCasts() } }
        try attempt(.target, "other migrations") { try lookForOtherMigrations() }
        lookAtDisk()
        return databases
    }

    func pass(_ place: Finding.Place, _ check: String, _ detail: String) {
        findings.append(Finding(.pass, place, check, detail))
    }

    func warn(
        _ place: Finding.Place, _ check: String, _ detail: String, _ remedy: String? = nil, sql: [String]? = nil
    ) {
        findings.append(Finding(.warn, place, check, detail, remedy: remedy, sql: sql))
    }

    func fail(
        _ place: Finding.Place, _ check: String, _ detail: String, _ remedy: String,
        _ exitStatus: ExitStatus = .unsuitableServer, sql: [String]? = nil
    ) {
        findings.append(Finding(.fail, place, check, detail, remedy: remedy, sql: sql, exitStatus: exitStatus))
    }

    /// A query that a server refuses is a finding of its own, and does not keep the others from being made.
    func attempt(_ place: Finding.Place, _ check: String, _ body: () throws -> Void) throws {
        do {
            try body()
        } catch let error as PostgresError where error.isOfStatement {
            for connection in [source, target] where connection.isInTransaction {
                _ = try? connection.execute("ROLLBACK", doing: "rolling back")
            }
            if error.sqlState == .readOnlyTransaction, standbys.contains(place) { return }
            fail(
                place, check, "\(error)",
                error.sqlState == .characterNotInRepertoire
                    ? "a name or text of one side cannot be written in the other's encoding: make the target's database with the "
                        + "source's, by CREATE DATABASE … ENCODING … TEMPLATE template0"
                    : "let the role do what the message names",
                error.sqlState == .insufficientPrivilege ? .privilege : .unsuitableServer)
        }
    }

    /// Tries a statement in a transaction that is rolled back: what catalogs say of a privilege is not always so.
    ///
    /// - Returns: the server's refusal for want of a privilege; nil when the statement works.
    func refusal(_ connection: Connection, _ sql: String, doing: String) throws -> PostgresError? {
        defer { _ = try? connection.execute("ROLLBACK", doing: "rolling back") }
        do throws(PostgresError) {
            try connection.execute("BEGIN", doing: doing)
            try connection.execute(sql, doing: doing)
            return nil
        } catch {
            guard error.sqlState == .insufficientPrivilege else { throw error }
            return error
        }
    }

    func text(_ connection: Connection, _ sql: String) throws -> String {
        try connection.execute(sql, doing: "looking at the server").text(0, 0) ?? ""
    }

    /// The first column, for a list.
    func column(_ connection: Connection, _ sql: String) throws -> [String] {
        let result = try connection.execute(sql, doing: "looking at the server")
        return result.column()
    }
}
