import ArgumentParser
import CommandSupport
import Migration
import Observability
import Spool

/// Looks before a migration.
struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Look whether both servers are ready, and change nothing.",
        discussion: """
            What fails comes first, then what warns, then what passes in one line; then what to do, with the statements to \
            run as one block. clone makes the same checks before it begins.

            EXAMPLES
              clone check --source 'host=db1 dbname=shop' --target 'host=db2 dbname=shop'
              clone check --sql source    # what an administrator runs there, once
              clone check --json | jq '.[] | select(.status != "pass")'

            A migration that is under way in --dir is not checked again: see clone status, and clone switchover --dry-run.

            EXIT CODES
              0 nothing fails; otherwise that of the first failure, mostly 4 (a privilege) or 5 (a server's set-up)
            """)

    @OptionGroup
    var servers: CloneArguments

    @Flag(inversion: .prefixedNo, help: "Also check what following the source's changes needs.")
    var follow = true

    @Flag(help: "Also check what clone switchover --keep-way-back needs.")
    var keepWayBack = false

    @Option(help: ArgumentHelp("A publication of your own to decode; repeatable.", valueName: "name"))
    var publication: [String] = []

    @Flag(
        help: "Drop first what the target has of the objects that are copied; refused if it holds anything else.")
    var dropIfExists = false

    @Flag(help: "Do not copy large objects.")
    var skipLargeObjects = false

    @OptionGroup
    var filters: FilterArguments

    @OptionGroup
    var roles: RoleArguments

    @OptionGroup
    var restore: RestoreArguments

    @Flag(help: "Also show each check that passes.")
    var all = false

    @Flag(help: "An array of JSON objects.")
    var json = false

    @Option(
        help: ArgumentHelp(
            "Print what an administrator is to run on one of the servers, as one script, and nothing else.",
            valueName: "source|target"))
    var sql: Side?

    enum Side: String, ExpressibleByArgument, CaseIterable {
        case source, target
    }

    func run() async throws {
        _ = servers.log.logger("clone")
        var options = try servers.options()
        options.follows = follow
        options.publications = publication
        restore.apply(to: &options)
        roles.apply(to: &options)
        options.dropsIfExists = dropIfExists
        options.skipsLargeObjects = skipLargeObjects
        try filters.apply(to: &options)
        let findings = try await Program.run { [options, keepWayBack] stop in
            // What it has made on both servers is in nobody's way.
            if let underWay = try Preflight.underWay(options) { return [underWay] }
            return try Preflight.findings(options, keepsWayBack: keepWayBack, stop: stop)
        }
        if let sql {
            let connection = sql == .source ? options.source : options.target
            let place: Finding.Place = sql == .source ? .source : .target
            let script = try await Program.run { _ in try AdministratorScript(findings, place, connection).text }
            return Output.line(script)
        }
        if json { Output.line(JSON.text(findings)) } else { FindingTable.print(findings, showsAll: all) }
        if let failure = findings.first(where: { $0.status == .fail }) {
            throw ProgramFailure(
                failure.exitStatus,
                "\(findings.count { $0.status == .fail }) of \(findings.count) checks fail; fix them, then run it again"
            )
        }
    }
}
