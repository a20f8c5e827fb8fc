import Copying
import ArgumentParser
import Capture
import CommandSupport
import Glibc
import Logging
import Migration
import Observability
import Postgres
import Supervision
import Threading

/// The program `clone`: its command line, and what it does.
public struct CloneCommand: AsyncParsableCommand {
    /// What `--help` says.
    public static let configuration = CommandConfiguration(
        commandName: "clone",
        abstract: "Move a PostgreSQL database: copy it, follow its changes, switch over, clean up.",
        discussion: """
            The target's database must exist and be empty. With --follow, changes of the source are captured from the \
            moment of the copy on, and applied behind it until the switchover. Run the same command again after any \
            interruption: it continues, except that a copy without --follow, or without all definitions, is restarted as \
            long as it has not all rows. `clone copy --help` lists the options of all this.

            EXAMPLES
              clone check --source 'host=db1 dbname=shop' --target 'host=db2 dbname=shop'
              clone --follow --source 'host=db1 dbname=shop' --target 'host=db2 dbname=shop'
              clone status
              clone switchover --source 'host=db1 dbname=shop' --target 'host=db2 dbname=shop'
              clone cleanup --source … --target …
              clone --source … --target … --table-jobs 8 --index-jobs 8 --no-owner

            EXIT CODES
              0 done; 5 a server is not suitable, or the target not empty; 14 stopped before the copy was complete; \
            otherwise the code of the stage that failed (see docs/exit-codes.md)
            """,
        version: Program.tool,
        subcommands: [
            CheckCommand.self, CopyCommand.self, StatusCommand.self, ServeCommand.self, WaitCommand.self,
            RetryCommand.self,
            SwitchoverCommand.self, SwitchbackCommand.self, CompareCommand.self, AdoptCommand.self,
            CleanupCommand.self,
            ExecCommand.self,
        ],
        defaultSubcommand: CopyCommand.self
    )

    /// For the parser.
    public init() {}
}

/// What `clone` does when no other word is given.
struct CopyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "copy", abstract: "Copy the database, and with --follow its changes (the default).")

    @OptionGroup
    var servers: CloneArguments

    @Flag(help: "Follow the source's changes after the copy.")
    var follow = false

    @Flag(
        help: ArgumentHelp(
            "With --follow: have standbys of the source copy the slot, so that it outlives a failover (source 17 or newer)."
        ))
    var failover = false

    @Option(help: ArgumentHelp("A publication of your own to decode; repeatable.", valueName: "name"))
    var publication: [String] = []

    @Option(
        help: ArgumentHelp(
            "With --follow: end once everything up to this LSN is replayed, or 'current'; then set the sequences and drop "
                + "slot and position.", valueName: "lsn"))
    var endpos: EndPosition = .none

    @Option(help: ArgumentHelp("How many tables to copy at once.", valueName: "number"))
    var tableJobs = 4

    @Option(
        help: ArgumentHelp(
            "Copy a table that takes more on the source's disk in parts of about this size, several at once "
                + "(PostgreSQL 14 and newer).", valueName: "size"))
    var splitTablesLargerThan: ByteCount?

    @Option(help: ArgumentHelp("Divide a table into at most so many parts.", valueName: "number"))
    var splitMaxParts: Int?

    @Option(help: ArgumentHelp("How many indexes and constraints to make at once.", valueName: "number"))
    var indexJobs = 4

    @Option(
        help: ArgumentHelp(
            "Make the indexes of a table that takes more on the source's disk as soon as it has its rows, those of "
                + "smaller ones when all tables have theirs.", valueName: "size"))
    var indexEarlyLargerThan = ByteCount(bytes: 1 << 30)

    @Option(
        help: ArgumentHelp(
            "With --follow: how often to look whether definitions changed on one side alone; 0 for never.",
            valueName: "seconds"))
    var driftInterval = 60

    @Flag(
        help: "With --follow: end when the target refuses a change, instead of receiving on until it can be applied.")
    var stopWhenBlocked = false

    @Option(help: ArgumentHelp("Apply the changes on so many connections.", valueName: "number"))
    var applyJobs = 1

    @Option(
        help: ArgumentHelp(
            "How often in a row a stage that died is started again, after pauses of 0.5 to 30 s.",
            valueName: "number"))
    var maxRestarts = 10

    @Option(help: ArgumentHelp("Warn when the slot keeps so much WAL on the source.", valueName: "size"))
    var walWarning = ByteCount(bytes: 10 << 30)

    @Flag(help: "Drop what an earlier run with this --dir made on both sides, and start over.")
    var restart = false

    @Flag(
        help: "Drop first what the target has of the objects that are copied; refused if it holds anything else.")
    var dropIfExists = false

    @Flag(help: "Do not copy large objects.")
    var skipLargeObjects = false

    @Flag(
        help:
            "Do not copy what belongs to the database itself: ALTER DATABASE … SET, comment, privileges, connection limit."
    )
    var skipDBProperties = false

    @OptionGroup
    var logKeeping: LogArguments

    @OptionGroup
    var events: EventArgument

    @OptionGroup
    var filters: FilterArguments

    @OptionGroup
    var roles: RoleArguments

    @OptionGroup
    var restore: RestoreArguments

    @Flag(
        name: [.customLong("skip-analyze"), .customLong("skip-vacuum")],
        help: "Do not collect statistics on the target after the copy.")
    var skipAnalyze = false

    func validate() throws {
        try validateSplitting()
        if endpos != .none && !follow { throw ValidationError("--endpos goes with --follow") }
        if logKeeping.keepLog != nil && !follow { throw ValidationError("--keep-log goes with --follow") }
        if failover && !follow { throw ValidationError("--failover goes with --follow") }
        if !publication.isEmpty && !follow { throw ValidationError("--publication goes with --follow") }
        try ApplyJobs.check(applyJobs)
        if !(0...1_000_000 ~= driftInterval) { throw ValidationError("--drift-interval must be from 0 to 1000000") }
        if maxRestarts < 0 { throw ValidationError("--max-restarts must not be negative") }
        for (name, jobs) in [("table", tableJobs), ("index", indexJobs)] where !(1...128 ~= jobs) {
            throw ValidationError("--\(name)-jobs must be from 1 to 128")
        }
    }

    private func validateSplitting() throws {
        if let size = splitTablesLargerThan, size.bytes < 8192 {
            throw ValidationError("--split-tables-larger-than must be at least 8kB")
        }
        guard let splitMaxParts else { return }
        if splitMaxParts < 1 { throw ValidationError("--split-max-parts must be at least 1") }
        if splitTablesLargerThan == nil {
            throw ValidationError("--split-max-parts goes with --split-tables-larger-than")
        }
    }

    func run() async throws {
        let logger = servers.log.logger("clone")
        var options = try servers.options()
        options.follows = follow
        options.failover = failover
        // Those of the other server are not meant.
        if options.direction == 1 { options.publications = publication }
        options.end = endpos.argument
        options.tableJobs = tableJobs
        options.indexJobs = indexJobs
        options.earlyIndexBytes = Int(clamping: indexEarlyLargerThan.bytes)
        options.splitBytes = splitTablesLargerThan.map { Int(clamping: $0.bytes) }
        options.splitPartsMax = splitMaxParts
        options.restarts = restart
        options.restartsMax = maxRestarts
        options.applyJobs = applyJobs
        options.driftSeconds = driftInterval
        options.eventCommand = events.onEvent
        options.stopsWhenBlocked = stopWhenBlocked
        logKeeping.apply(to: &options)
        options.skipsAnalyze = skipAnalyze
        restore.apply(to: &options)
        roles.apply(to: &options)
        options.dropsIfExists = dropIfExists
        options.skipsLargeObjects = skipLargeObjects
        options.skipsDatabaseProperties = skipDBProperties
        try filters.apply(to: &options)
        try await Program.runAsync { stop in try await run(options, stop, logger) }
    }

    /// Goes in one direction after the other.
    private func run(_ first: CloneOptions, _ stop: StopRequest, _ logger: Logger) async throws {
        var options = first
        let begun = Deadline.now
        while true {
            let run = CloneRun(options, logger: logger)
            run.progress.warn(atWAL: walWarning.bytes)
            let outcome = try await follow(run, options, stop, logger)
            let seconds = Double((Deadline.now.nanoseconds - begun.nanoseconds) / 1_000_000) / 1000
            conclude(outcome, run, options, seconds, logger)
            guard case .switched = outcome else { return }
            let next = try options.inPresentDirection()
            guard next.direction != options.direction else { return }
            logger.info(
                """
                going on in the other direction: what applications write to \(next.source.redacted) is applied on \
                \(next.target.redacted)
                """)
            options = next
        }
    }

    private func follow(
        _ run: CloneRun, _ options: CloneOptions, _ stop: StopRequest, _ logger: Logger
    ) async throws -> CloneRun.Outcome {
        let report = ProgressReport(run.progress, spool: options.spool, isQuiet: servers.log.quiet, logger: logger)
        defer { report.end() }
        do {
            return try await run.run(stop)
        } catch {
            run.noteFailure(code: (ExitStatus(describing: error) ?? .failure).rawValue, "\(error)")
            throw error
        }
    }

    private func conclude(
        _ outcome: CloneRun.Outcome, _ run: CloneRun, _ options: CloneOptions, _ seconds: Double, _ logger: Logger
    ) {
        switch outcome {
        case .stopped(let journal):
            // Of a copy that an earlier run made, that run has told.
            if run.progress.snapshot.tables > 0 { CopySummary(journal).print(seconds: seconds) }
            logger.warning(
                """
                stopped; slot "\(journal.slot)" keeps its place on the source, and WAL with it. The same command continues; \
                clone cleanup gives it up
                """)
        case .switched(let journal):
            if run.progress.snapshot.tables > 0 { CopySummary(journal).print(seconds: seconds) }
            let end = journal.switchedAt ?? .zero
            guard journal.wayBack == nil else {
                return logger.info("the switchover is made: the target has everything up to \(end)")
            }
            logger.info(
                """
                the switchover is made: the target has everything up to \(end), and nothing more is applied. Applications \
                use the target now; clone cleanup gives up slot "\(journal.slot)", which keeps WAL on the source
                """)
        case .done(let journal):
            CopySummary(journal).print(seconds: seconds)
            logger.info(
                options.end == nil
                    ? "done"
                    : "the end position is replayed; sequences are set, the slot and the target's position are dropped")
        }
    }
}

/// Becomes another program, for `clone` itself.
struct ExecCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: ChildLifeline.subcommand, abstract: "Run a program that ends with its parent.",
        shouldDisplay: false)

    @Argument(parsing: .captureForPassthrough)
    var words: [String] = []

    func run() async throws {
        try ChildLifeline.become(words)
    }
}
