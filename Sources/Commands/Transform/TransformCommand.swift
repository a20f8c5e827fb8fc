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

/// The program `transform`: its command line, and what it does.
public struct TransformCommand: AsyncParsableCommand {
    /// What `--help` says.
    public static let configuration = CommandConfiguration(
        commandName: "transform",
        abstract: "Turn change segments into SQL batches.",
        discussion: """
            Reads a spool, segment files, or standard input, and writes plain SQL to standard output: each batch is one \
            target transaction, which also moves the target's position. replay applies it, and so \
            does psql. With --output, the batches go to files, which replay reads from their folder; the same command \
            again continues after the last whole file.

            EXAMPLES
              transform spool | replay --target 'host=db2 dbname=shop'
              transform --follow spool | replay --target 'host=db2 dbname=shop'
              transform spool --from "$(replay --position --target 'host=db2 dbname=shop')" | replay --target …
              transform spool | psql -q -v ON_ERROR_STOP=1 'host=db2 dbname=shop'
              transform spool --format jsonl | jq -r 'select(.operation == "delete") | .table'
              transform spool --output batches --compress lz4 && replay batches --target 'host=db2 dbname=shop'

            EXIT CODES
              0 done; 1 failure; 2 usage; 10 gap; 11 foreign segment; 12 folder in use; 13 corrupt; 14 the input ended \
            before its end; 18 file error (see docs/exit-codes.md)
            """,
        version: Program.tool
    )

    /// For the parser.
    public init() {}

    @Argument(
        help: "A spool's folder, segment files in order, or - (the default) for standard input.", completion: .file())
    var paths: [String] = []

    @Option(
        help: ArgumentHelp(
            "Leave out transactions that end at or before this LSN, or come before the first that committed at or after "
                + "this time ('2026-01-31 12:00', UTC unless it has a zone).", valueName: "lsn|time"))
    var from: LogRange.Bound?

    @Option(
        help: ArgumentHelp(
            "End once everything up to this LSN, or to the last transaction that committed at or before this time, is "
                + "written.", valueName: "lsn|time"))
    var to: LogRange.Bound?

    @Flag(help: "At the end of the spool, wait for more; ends at --to, or without that at an end record.")
    var follow = false

    @Flag(help: "With --follow: continue at an end record too. The log may be resumed.")
    var endless = false

    @Option(help: ArgumentHelp("What to write: sql, or jsonl for one change a line, in JSON.", valueName: "format"))
    var format = Format.sql

    @OptionGroup(title: "Files")
    var files: OutputOptions

    @Option(help: ArgumentHelp("The name that the position has on the target.", valueName: "name"))
    var origin = "walrelay"

    @Option(help: ArgumentHelp("Close a batch at this many changes.", valueName: "n"))
    var maxChanges = RenderOptions().maxChanges

    @Option(help: ArgumentHelp("Close a batch at this much text.", valueName: "size"))
    var maxBytes = ByteCount(bytes: 16 << 20)

    @Flag(help: "Write every change by itself, in the source's order, instead of each row's net change.")
    var ordered = false

    @Option(
        name: [.short, .long],
        help: ArgumentHelp("Render on so many threads a log that is not followed.", valueName: "n"))
    var jobs = 1

    @Option(
        help: ArgumentHelp(
            "Divide the statements of a batch into lanes, for replay --jobs with the same number.", valueName: "n"))
    var lanes = 1

    @Option(
        help: ArgumentHelp(
            "Write these tables change by change all the same: table, or schema.table. Repeatable.",
            valueName: "pattern"))
    var orderedTable: [String] = []

    @Option(
        help: ArgumentHelp("Write a table under another name. Repeatable.", valueName: "schema.table=schema.table"))
    var map: [String] = []

    @OptionGroup(title: "Selection")
    var selection: SelectionOptions

    @OptionGroup(title: "Logging")
    var log: LogOptions

    /// What is written.
    enum Format: String, ExpressibleByArgument, CaseIterable {
        case sql, jsonl
    }

    /// Refuses options that do not go together.
    public func validate() throws {
        if format == .jsonl && (ordered || !orderedTable.isEmpty || lanes > 1 || files.output != nil) {
            throw ValidationError("--ordered, --ordered-table, --lanes and --output go with --format sql")
        }
        if maxChanges < 1 { throw ValidationError("--max-changes must be at least 1") }
        if maxBytes.bytes < 1024 || maxBytes.bytes > 1 << 30 {
            throw ValidationError("--max-bytes must be between 1kB and 1GB")
        }
        if lanes < 1 || lanes > BatchPreamble.lanesMax {
            throw ValidationError("--lanes must be from 1 to \(BatchPreamble.lanesMax)")
        }
        if lanes > 1 && ordered { throw ValidationError("--ordered keeps the source's order; it has no lanes") }
        if endless && !follow { throw ValidationError("--endless goes with --follow") }
        if follow, case .time = to {
            throw ValidationError("--to takes no time with --follow: a commit of that time may still come")
        }
        if jobs < 1 || jobs > 64 { throw ValidationError("--jobs must be from 1 to 64") }
        if jobs > 1 && (follow || format == .jsonl || paths.isEmpty || paths.contains("-")) {
            throw ValidationError(
                "--jobs is for a spool or files that are there as a whole: not with --follow, standard input or jsonl")
        }
        if origin.isEmpty { throw ValidationError("--origin must not be empty") }
        if follow && (paths.count != 1 || paths == ["-"]) {
            throw ValidationError("--follow needs one spool's folder")
        }
        if paths.isEmpty && isatty(0) == 1 {
            throw ValidationError("name a spool's folder, or pipe segments in")
        }
    }

    /// Does what the program is for.
    public func run() async throws {
        let logger = log.logger("transform")
        var tables = TableRules()
        tables.selection = try selection.selection()
        tables.filter = try selection.filterFingerprint()
        tables.ordered = try orderedTable.map { try TablePattern($0) }
        tables.mappings = try TableMapping.all(map)
        let options = RenderOptions(
            order: ordered ? .source : .net, stream: origin, maxChanges: maxChanges, maxBytes: Int(maxBytes.bytes),
            tables: tables, lanes: lanes, tool: Program.tool)
        let paths = self.paths.isEmpty ? ["-"] : self.paths
        let (follow, endless, files, format, from, to) = (follow, endless, files, format, from, to)
        let jobs = self.jobs
        try await Program.run { stop in
            var options = options
            try TransformRange(from: from, to: to).resolve(paths, &options)
            // Segments of version 0.1 do not say it.
            if let first = paths.first, first != "-" { options.logID = try SpoolDirectory(first).identity()?.logID }
            let output = try files.open(&options, inputs: paths)
            let inputs = try TransformInputs(
                paths, from: options.from, follows: follow, isEndless: endless || options.to != nil)
            let form: any OutputFormat =
                switch format {
                case .sql where jobs > 1: try ParallelSQLFormat(options, jobs: jobs, output)
                case .sql: SQLFormat(options, output)
                case .jsonl: JSONLinesFormat(options, output)
                }
            defer { for text in options.tables.selection.unmetColumnWarnings { logger.warning("\(text)") } }
            try Transformation(inputs, form, output, options: options, logger: logger, stop: stop).run()
        }
    }
}
