import ArgumentParser
import CommandSupport
import Comparison
import Logging
import Migration
import Observability
import Spool

/// Compares both sides.
struct CompareCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare", abstract: "Compare definitions and rows of both servers.",
        discussion: """
            Of definitions that differ the lines are shown: with - those of the source, with + those of the target. Rows are \
            compared by checksums that the servers compute over every table; of a table that differs the first rows \
            are named by their keys. While clone follows, a table that differs is looked at again when the target has \
            caught up; one that changes all the time is reported as changing. Sequences are not compared: switchover sets \
            them. Large objects count as one more table, whose rows are objects. What was never followed (clone check says what that is) differs once the source changes it.

            EXAMPLES
              clone compare --source 'host=db1 dbname=shop' --target 'host=db2 dbname=shop'
              clone compare data --json | jq '.data[] | select(.state != "equal")'

            EXIT CODES
              0 equal; 1 something differs; 14 nothing differs, but some tables changed all the time; 5 no pg_dump can read the source; 11 not the servers of the migration in --dir
            """)

    enum Part: String, ExpressibleByArgument, CaseIterable {
        case schema
        case data
        case all
    }

    @Argument(help: ArgumentHelp("What to compare: schema, data, or all.", valueName: "part"))
    var part = Part.all

    @OptionGroup
    var servers: CloneArguments

    @Option(help: ArgumentHelp("How many tables to compare at once.", valueName: "number"))
    var tableJobs = 4

    @Flag(help: "Do not compare large objects; taken for granted when clone did not copy them.")
    var skipLargeObjects = false

    @OptionGroup
    var filters: FilterArguments

    @OptionGroup
    var restore: RestoreArguments

    @Flag(help: "One JSON object.")
    var json = false

    private struct Answer: Encodable, Sendable {
        var schema: [SchemaComparison.Difference]?
        var data: [DataComparison.Result]?
    }

    func validate() throws {
        if !(1...128 ~= tableJobs) { throw ValidationError("--table-jobs must be from 1 to 128") }
    }

    func run() async throws {
        let logger = servers.log.logger("clone")
        var options = try servers.options()
        options.tableJobs = tableJobs
        options.restoreOptions = restore.options
        options.skipsLargeObjects = skipLargeObjects
        try filters.apply(to: &options)
        let part = part
        let answer = try await Program.run { [options] stop in
            try MigrationIdentity.check(options)
            var answer = Answer()
            if part != .data {
                let outcome = try SchemaComparison(options.comparison()).run(stop: stop)
                answer.schema = outcome.differences
                if let version = outcome.tooOld {
                    logger.warning(
                        """
                        pg_dump \(version) cannot read the target: compared what the catalogs say of tables, columns, keys, \
                        indexes and sequences; views and functions by their names alone. Install the client programs of \
                        the target's version to compare all
                        """)
                }
            }
            if part != .schema {
                let spool = SpoolDirectory(options.spool)
                let journal = try CloneJournal.read(spool).flatMap { $0.phase == .following ? $0 : nil }
                let compared = try journal.map {
                    try ComparedRows(options.source, spool, publications: $0.sendingPublications)
                }
                let isFollowed = CloneJournal.isRunning(spool)
                answer.data = try DataComparison(options.comparison()).run(isFollowed: isFollowed, stop: stop) {
                    result in
                    logger.debug("compared", metadata: ["table": "\(result.table)", "state": "\(result.state)"])
                }
                try compared?.note(answer.data ?? [])
            }
            return answer
        }
        if json { Output.line(JSON.text(answer)) } else { show(answer) }
        let differing =
            (answer.schema?.count ?? 0) + (answer.data?.count { ![.equal, .changing].contains($0.state) } ?? 0)
        if differing > 0 { throw ProgramFailure(.failure, "\(differing) definitions or tables differ") }
        let changing = answer.data?.count { $0.state == .changing } ?? 0
        guard changing > 0 else { return }
        throw ProgramFailure(
            .incomplete,
            "\(Figures.counted(changing, "table")) changed all the time, so that it cannot be said whether both sides are equal: "
                + "run it again when less is written, or compare in the switchover, with clone switchover --fence --compare"
        )
    }

    private func show(_ answer: Answer) {
        if let schema = answer.schema {
            for difference in schema {
                Output.line(PlainText.line("\(difference.state): \(difference.object)"))
                if difference.source != nil && difference.target != nil {
                    for line in difference.lines { Output.line("    \(line)") }
                }
            }
            if schema.isEmpty { Output.line("the definitions are equal") }
        }
        guard let data = answer.data else { return }
        let differing = data.filter { $0.state != .equal }
        if !differing.isEmpty {
            Table.print(
                ["table", "state", "rows on source", "rows on target"],
                differing.map { [$0.table, $0.state.rawValue, "\($0.sourceRows)", "\($0.targetRows)"] },
                alignedRight: [2, 3])
            for result in differing {
                for row in result.rows { Output.line("  " + PlainText.line("\(result.table): \(row)")) }
            }
        }
        let tables = data.filter { !$0.isLargeObjects }
        let equal = tables.count { $0.state == .equal }
        let rows = tables.reduce(0) { $0 + $1.sourceRows }
        Output.line("\(equal) of \(tables.count) tables are equal, \(rows) rows")
        if let objects = data.first(where: \.isLargeObjects) {
            Output.line(
                "\(objects.sourceRows) large objects \(objects.state == .equal ? "are equal" : "were compared")")
        }
    }
}
