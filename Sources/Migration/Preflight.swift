import Apply
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
    private(set) var findings: [Finding] = []
    /// What is to be moved.
    let selection: Selection

    init(_ options: CloneOptions, source: Connection, target: Connection) throws {
        self.options = options
        selection = try options.selection()
        self.source = source
        self.target = target
    }

    /// Everything there is to find, without stopping at the first failure.
    ///
    /// - Throws: ``PostgresError`` when a server cannot be reached or asked.
    public static func findings(_ options: CloneOptions, stop: StopRequest) throws -> [Finding] {
        let source = try Connection(options.source, applicationName: TargetDatabase.applicationName)
        let target = try TargetDatabase(options.target)
        let preflight = try Preflight(options, source: source, target: target.connection)
        try preflight.look(stop)
        try preflight.lookAtContents()
        try preflight.lookAtDefinitions(stop)
        return preflight.findings
    }

    /// What a migration looks at when it begins: logs the warnings.
    ///
    /// - Returns: which databases these are.
    /// - Throws: ``MigrationError`` with what must be changed first.
    func run(logger: Logger, stop: StopRequest) throws -> (source: CloneJournal.Database, target: CloneJournal.Database)
    {
        let databases = try look(stop)
        if let failure = findings.first(where: { $0.status == .fail }) {
            throw MigrationError(failure.exitStatus, failure.sentence)
        }
        for finding in findings where finding.status == .warn { logger.warning("\(finding.sentence)") }
        return databases
    }

    @discardableResult
    private func look(_ stop: StopRequest) throws -> (source: CloneJournal.Database, target: CloneJournal.Database) {
        let databases = (source: try TargetDatabase.identity(source), target: try TargetDatabase.identity(target))
        guard databases.source != databases.target else {
            throw MigrationError(.usage, "source and target are the same database")
        }
        try lookAtVersions()
        try lookAtSelection()
        try lookAtReservedSchema()
        if options.follows {
            try lookAtSettings()
            try lookAtRoles()
            try lookAtPublishing()
        }
        try lookAtTarget()
        try lookAtLimits()
        lookAtDisk()
        return databases
    }

    func pass(_ place: Finding.Place, _ check: String, _ detail: String) {
        findings.append(Finding(.pass, place, check, detail))
    }

    func warn(_ place: Finding.Place, _ check: String, _ detail: String, _ remedy: String? = nil) {
        findings.append(Finding(.warn, place, check, detail, remedy: remedy))
    }

    func fail(
        _ place: Finding.Place, _ check: String, _ detail: String, _ remedy: String,
        _ exitStatus: ExitStatus = .unsuitableServer
    ) {
        findings.append(Finding(.fail, place, check, detail, remedy: remedy, exitStatus: exitStatus))
    }

    func text(_ connection: Connection, _ sql: String) throws -> String {
        try connection.execute(sql, doing: "looking at the server").text(0, 0) ?? ""
    }

    /// The first column, for a list.
    func column(_ connection: Connection, _ sql: String) throws -> [String] {
        let result = try connection.execute(sql, doing: "looking at the server")
        return (0..<result.rowCount).compactMap { result.text($0, 0) }
    }

    /// The first of many, for a message.
    static func some(_ names: [String]) -> String {
        let shown = names.prefix(8).joined(separator: ", ")
        return names.count > 8 ? shown + " and \(names.count - 8) more" : shown
    }
}
