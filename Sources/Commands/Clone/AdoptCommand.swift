import ArgumentParser
import CommandSupport
import Migration
import Observability
import Postgres

/// Begins a migration whose target is there already.
struct AdoptCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "adopt", abstract: "Take over a target that was filled in another way, and follow from there on.",
        discussion: """
            The target is a database that has the source's rows of one known position: a physical copy that was upgraded, or a \
            dump of the slot's snapshot. The slot must have been made before that, as by receive --create-slot; receive may \
            have written the changes since to the log in --dir. This looks whether both sides have the same definitions, places \
            the target's position, and changes nothing else. Then clone --follow applies what came after it, and clone compare \
            data says whether the rows are those of the source.

            EXAMPLES
              clone adopt --at 0/5A39E80 --dry-run --source 'host=db1 dbname=shop' --target 'host=db2 dbname=shop'
              clone adopt --at 0/5A39E80 && clone --follow

            EXIT CODES
              0 done; 2 a migration is in the folder already; 6 there is no slot; 10 changes after the position are missing; 21 \
            definitions differ; otherwise that of what fails
            """)

    @OptionGroup
    var servers: CloneArguments

    @Option(
        help: ArgumentHelp(
            "The position that the target has: every transaction whose commit ends there or before, and none after.",
            valueName: "lsn"))
    var at: LSN

    @Option(help: ArgumentHelp("A publication of your own to decode; repeatable.", valueName: "name"))
    var publication: [String] = []

    @OptionGroup
    var filters: FilterArguments

    @Flag(help: "Do not look at large objects in the switchover.")
    var skipLargeObjects = false

    @Flag(help: "Continue when definitions of the two sides differ: what only the source has is lost.")
    var acceptDrift = false

    @Flag(help: "Only look, and change nothing.")
    var dryRun = false

    func run() async throws {
        let logger = servers.log.logger("clone")
        var options = try servers.options()
        options.publications = publication
        options.skipsLargeObjects = skipLargeObjects
        try filters.apply(to: &options)
        let adoption = Adoption(options, at: at, acceptsDrift: acceptDrift, logger: logger)
        let findings = try await Program.run { [dryRun] _ in try adoption.run(dryRun: dryRun) }
        FindingTable.print(findings)
        if let failure = findings.first(where: { $0.status == .fail }) {
            throw ProgramFailure(failure.exitStatus, "the target could not be adopted now; nothing was changed")
        }
        guard !dryRun else { return Output.line("\nThe target could be adopted now. Nothing was changed.") }
        Output.line(
            """

            Next:
              1. clone --follow applies what the source wrote after \(at)
              2. clone compare data, while it follows, says whether the rows are those of the source
              3. clone switchover
            """)
    }
}
