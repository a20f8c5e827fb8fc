import Apply
import ArgumentParser
import BatchFiles
import Batches
import CommandSupport
import Glibc
import Logging
import Observability
import Postgres
import Selection
import Spool
import Threading

/// The program `replay`: its command line, and what it does.
public struct ReplayCommand: AsyncParsableCommand {
    /// What `--help` says.
    public static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Apply SQL batches to the target, each exactly once.",
        discussion: """
            Reads batches from standard input, from files, compressed ones too, or from a folder that transform wrote. \
            Each is one transaction on the target, which also moves its position, a row of walrelay.progress: after any interruption \
            the target knows what it has, and the same batches again change nothing.

            EXAMPLES
              transform spool | replay --spool spool --target 'host=db2 dbname=shop'
              replay --target 'host=db2 dbname=shop' batches.sql
              replay --target 'host=db2 dbname=shop' batches/
              replay --position --target 'host=db2 dbname=shop'
              transform spool --from 0/1A2B3C | replay --spool spool --skip 0/1A9F00

            EXIT CODES
              0 done: the end mark was reached; 1 failure; 2 usage; 3 connection; 4 privilege; 10 gap; 11 foreign; \
            13 malformed batches; 14 the input ended before its end mark; 15 a batch straddles the target's position; \
            16 the target refused a change; 17 the position is in use; 20 it was moved by something else (see docs/exit-codes.md)
            """,
        version: Program.tool
    )

    /// For the parser.
    public init() {}

    @Argument(
        help: "A folder that transform --output wrote, or files in order; standard input if there are none.",
        completion: .file())
    var files: [String] = []

    @Option(help: ArgumentHelp("The target server, as libpq takes it.", valueName: "conninfo"))
    var target: String?

    @OptionGroup
    var password: TargetPassword

    @Option(
        help: ArgumentHelp(
            "The name of the target's position. (default: the one that the batches name)", valueName: "name"))
    var origin: String?

    @Option(
        help: ArgumentHelp(
            "Continue with this log where the target's position is of another one: a new spool of the same slot, which "
                + "has all that follows. The refusal names it.", valueName: "id"))
    var acceptLog: String?

    @Flag(help: "Print the target's position and exit; 0/0 if it has none.")
    var position = false

    @Option(help: ArgumentHelp("How long to wait for a position that another session holds.", valueName: "seconds"))
    var originWait = 30

    @Option(
        help: ArgumentHelp(
            "The log that the batches come from, to write a batch again whose net changes collide, or which the "
                + "target lost in a crash.", valueName: "dir"), completion: .directory)
    var spool: String?

    @Option(
        name: [.long, .customLong("filter")],
        help: ArgumentHelp(
            "The filter file that transform was given, so that the log says what the batches say.", valueName: "file"),
        completion: .file())
    var filters: String?

    @Option(
        help: ArgumentHelp(
            "Apply batches on so many connections, if transform --lanes wrote them for as many. Needs --spool.",
            valueName: "n"))
    var jobs = 1

    @Option(
        help: ArgumentHelp("Apply a batch of fewer changes on one connection all the same.", valueName: "n"))
    var jobsMinChanges = 1000

    @Flag(
        name: [.customLong("no-loop"), .customShort("n")],
        help: "End when the connection is lost, instead of connecting again.")
    var noLoop = false

    @Option(
        help: ArgumentHelp(
            "What a commit on the target waits for. A crash of the target takes rows and position together: both come "
                + "again.", valueName: "off|local|remote_write|on|remote_apply"))
    var synchronousCommit: ApplyOptions.SynchronousCommit = .off

    @Option(help: ArgumentHelp("Time between lines that say how it is going.", valueName: "seconds"))
    var statusInterval = 10

    @Option(
        help: ArgumentHelp(
            "When a statement changes another number of rows than on the source: stop (error), say so and continue (warn), "
                + "or count it and continue (skip).", valueName: "error|warn|skip"))
    var onMissing: ApplyOptions.Mismatch = .error

    @Option(
        help: ArgumentHelp(
            "Leave out the source transaction that ends at this position, as the message about a refused batch names "
                + "it. May be given several times.", valueName: "LSN"))
    var skip: [LSN] = []

    @Option(
        help: ArgumentHelp(
            "The folder for the report about a statement that the target refuses, with its row. (default: the spool's "
                + "state, without --spool the current folder)", valueName: "dir"), completion: .directory)
    var reportDir: String?

    @Option(
        help: ArgumentHelp(
            "Time without an answer after which it is asked whether the session is still there, and for which the target "
                + "may be out of reach, before the connection counts as lost; 0 for ever.", valueName: "seconds"))
    var silenceLimit = 60

    @Flag(help: "Being stopped before the end mark is exit code 14, and not 0.")
    var untilEnd = false

    @Flag(
        help: ArgumentHelp(
            "Do without session_replication_role, for a role that may not set it: refused if a trigger, a foreign key or a "
                + "rule of the target would act on what is applied."))
    var noReplicaRole = false

    @OptionGroup(title: "Logging")
    var log: LogOptions

    /// Refuses options that do not go together.
    public func validate() throws {
        if jobs < 1 || jobs > BatchPreamble.lanesMax {
            throw ValidationError("--jobs must be from 1 to \(BatchPreamble.lanesMax)")
        }
        if jobs > 1 && spool == nil { throw ValidationError("--jobs needs the log: give --spool") }
        if filters != nil && spool == nil { throw ValidationError("--filters says how to read the log: give --spool") }
        if originWait < 0 { throw ValidationError("--origin-wait must not be negative") }
        if !(0...1_000_000 ~= silenceLimit) { throw ValidationError("--silence-limit must be from 0 to 1000000") }
        if statusInterval < 1 || statusInterval > 1_000_000 {
            throw ValidationError("--status-interval must be from 1 to 1000000")
        }
        if position && !files.isEmpty { throw ValidationError("--position takes no files") }
        if !position && files.isEmpty && isatty(0) == 1 {
            throw ValidationError("pipe batches in, or name files")
        }
    }

    /// Does what the program is for.
    public func run() async throws {
        SessionWatch.shared.silenceLimit = silenceLimit
        let logger = log.logger("replay")
        let target = try ConnectionArgument.resolve(
            target, passwordCommand: password.targetPasswordCommand, option: "--target", variable: "WALRELAY_TARGET")
        if position { return try await printPosition(target) }
        let (files, spool) = (files, spool)
        var tables = TableRules()
        if let filters {
            let contents = try SelectionOptions.contents(filters)
            tables.selection = try FilterFile.parse(contents, file: filters)
            tables.filter = SelectionOptions.fingerprint(contents)
        }
        let options = ApplyOptions(
            stream: origin, acceptedLog: acceptLog, synchronousCommit: synchronousCommit,
            positionWaitSeconds: originWait, onMismatch: onMissing, reconnects: !noLoop, jobs: jobs,
            jobsMinChanges: jobsMinChanges, skips: Set(skip), tool: Program.tool,
            reportFolder: reportDir ?? spool.map { SpoolDirectory($0).statePath } ?? ".",
            usesReplicaRole: !noReplicaRole)
        let monitor = ApplyMonitor(
            path: spool.map { SpoolDirectory($0).statePath + "/replay.json" }, lineSeconds: statusInterval,
            logger: logger, sourcePosition: { spool.flatMap { SourcePosition.last(in: SpoolDirectory($0)) } })
        let (outcome, counts) = try await Program.run { [options, tables] stop in
            var options = options
            if let spool, try SpoolDirectory(spool).identity() == nil {
                logger.warning("there is no log at \(spool) yet")
            }
            options.log = spool.map { SpoolBatches($0, tables: tables, stop: stop) }
            options.logFilter = tables.isSelection ? tables.filter : nil
            let applier = BatchApplier(
                target: target, options: options, stop: stop, logger: logger, report: { monitor.update($0) })
            let watching = monitor.start()
            defer {
                monitor.stop()
                watching?.join()
            }
            let inputs = try ReplayFiles(files).paths(target, stream: options.stream, logger)
            var reader = BatchReader(source: try ReplayInput(inputs, stop: stop))
            return (try applier.run(reader: &reader), applier.statistics)
        }
        conclude(outcome, counts, logger)
        if untilEnd, case .stopped = outcome {
            throw ProgramFailure(.incomplete, "stopped before the end mark; run the same command again to continue")
        }
    }

    private func printPosition(_ target: ConnectionString) async throws {
        let origin = self.origin ?? "walrelay"
        let position = try await Program.run { _ in
            try Connection(target, applicationName: "walrelay replay").durablePosition(origin)
        }
        Output.line("\(position ?? .zero)")
    }

    private func conclude(_ outcome: ApplyOutcome, _ counts: ApplyStatistics, _ logger: Logger) {
        var summary =
            "applied \(Figures.counted(counts.transactions, "transaction")), \(Figures.counted(counts.changes, "change")) in "
            + Figures.counted(counts.batchesApplied, "batch", plural: "batches")
        if counts.batchesSkipped > 0 {
            summary += "; on the target already: \(Figures.counted(counts.batchesSkipped, "batch", plural: "batches"))"
        }
        if counts.batchesInLanes > 0 { summary += "; \(counts.batchesInLanes) on several connections" }
        if counts.batchesInOrder > 0 { summary += "; \(counts.batchesInOrder) in the source's own order" }
        if counts.transactionsSkipped > 0 {
            summary += "; skipped \(Figures.counted(counts.transactionsSkipped, "transaction"))"
        }
        if counts.mismatches > 0 {
            summary += "; \(counts.mismatches) statements changed another number of rows than on the source"
        }
        if counts.reconnections > 0 { summary += "; connected again \(Figures.counted(counts.reconnections, "time"))" }
        logger.info("\(summary)")
        switch outcome {
        case .reachedEnd(let position): logger.info("reached the end: the target is at \(position)")
        case .stopped(let position), .inputEnded(let position):
            let place = position.map { "the target is at \($0)" } ?? "nothing had come to be applied"
            logger.info("stopped; \(place)")
        }
    }
}

extension ApplyOptions.Mismatch: ExpressibleByArgument {}
extension ApplyOptions.SynchronousCommit: ExpressibleByArgument {}
