import ArgumentParser
import Capture
import CommandSupport
import Logging
import Observability
import Postgres
import Spool
import Threading

/// The program `receive`: its command line, and what it does.
public struct ReceiveCommand: AsyncParsableCommand {
    /// What `--help` says.
    public static let configuration = CommandConfiguration(
        commandName: "receive",
        abstract: "Stream a PostgreSQL logical slot into a compressed, checksummed change log.",
        discussion: """
            Changes go into segment files in the spool, or to standard output. The source is told to forget \
            changes only after they are on disk. Run the same command again after any interruption: it continues \
            where the log ends.

            EXAMPLES
              receive --source 'host=db1 dbname=shop' --slot relay --create-slot
              receive --source 'host=db1 dbname=shop' --slot relay --dir spool
              receive --source … --slot relay --endpos current
              receive --source … --publication mine --stdout | transform - | replay --target …
              receive --source … --archive-command 'cp -n %p /archive/%f' --start --prune --target …
              receive --prune --dir spool --target 'host=db2 dbname=shop'
              receive --source … --slot relay --drop-slot

            EXIT CODES
              0 done; 1 failure; 2 usage; 3 connection; 4 privilege; 5 server not suitable; 6 slot missing; \
            7 slot in use; 8 slot lost; 9 slot unusable; 10 gap; 11 foreign spool; 12 spool locked; 13 corrupt; \
            14 incomplete; 18 file error (see docs/exit-codes.md)
            """,
        version: Program.tool
    )

    /// For the parser.
    public init() {}

    @Option(help: ArgumentHelp("The source server, as libpq takes it.", valueName: "conninfo"))
    var source: String?

    @OptionGroup
    var sourcePassword: SourcePassword

    @OptionGroup
    var targetPassword: TargetPassword

    @Option(help: "The logical replication slot.")
    var slot = "walrelay"

    @Option(
        help: ArgumentHelp(
            "A publication to decode; repeatable. (default: the one with the slot's name, which --create-slot makes)",
            valueName: "name"))
    var publication: [String] = []

    @Option(help: ArgumentHelp("The spool's folder.", valueName: "folder"), completion: .directory)
    var dir = "spool"

    @OptionGroup
    var access: SpoolAccess

    @Flag(help: "Write the log to standard output instead of a spool.")
    var stdout = false

    @OptionGroup(title: "Slot actions")
    var slotActions: SlotActions

    @Option(help: ArgumentHelp("End once everything up to this LSN is received; or 'current'.", valueName: "lsn"))
    var endpos: EndPosition = .none

    @Flag(help: "End once the source has been idle for two seconds and everything is received.")
    var untilIdle = false

    @Flag(
        help: ArgumentHelp(
            "Have values sent in binary form (source 14 or newer). The log can be inspected, but transform refuses it: the "
                + "form depends on the server's version and on its object ids."))
    var binary = false

    @Flag(
        inversion: .prefixedNo,
        help: "Have large transactions sent while they are in progress (source 14 or newer, with a spool).")
    var streaming = true

    @Flag(help: "Do not connect again when the connection is lost.")
    var noLoop = false

    @Option(help: ArgumentHelp("Time between status replies to the source.", valueName: "seconds"))
    var statusInterval = 10

    @Option(
        help: ArgumentHelp(
            "Time without a word from the source after which it is asked for an answer, and after which again the "
                + "connection counts as lost; 0 for never.", valueName: "seconds"))
    var silenceLimit = 60

    @Option(help: ArgumentHelp("Time after which received changes are made durable.", valueName: "milliseconds"))
    var fsyncInterval = 200

    @Option(help: ArgumentHelp("Compressed size at which a segment is sealed.", valueName: "size"))
    var segmentSize = ByteCount(bytes: 64 << 20)

    @Option(help: ArgumentHelp("Age at which a segment is sealed; 0 for never.", valueName: "seconds"))
    var segmentAge = 0

    @Option(
        help: ArgumentHelp("Size of the log at which receive stops reading until there is room.", valueName: "size"))
    var maxSpoolSize: ByteCount?

    @Option(help: ArgumentHelp("Free disk space below which receive stops reading.", valueName: "size"))
    var minFree = ByteCount(bytes: 64 << 20)

    @Option(
        help: ArgumentHelp(
            "With --stdout: acknowledge what this server has by its position. With --prune: remove what it has.",
            valueName: "conninfo"))
    var target: String?

    @Option(help: ArgumentHelp("The name of the position on --target.", valueName: "name"))
    var origin = "walrelay"

    @OptionGroup(title: "Retention")
    var retention: RetentionOptions

    @OptionGroup(title: "Logging")
    var log: LogOptions

    /// Seconds, or milliseconds, that an interval can have: 68 years.
    private static let longest = Int(Int32.max)

    /// Refuses options that do not go together.
    public func validate() throws {
        try slotActions.validate()
        // Their thousandfold is a number too.
        guard 1...Self.longest ~= statusInterval else {
            throw ValidationError("--status-interval must be from 1 to \(Self.longest)")
        }
        guard 0...Self.longest ~= silenceLimit else {
            throw ValidationError("--silence-limit must be from 0 to \(Self.longest)")
        }
        guard 0...Self.longest ~= fsyncInterval else {
            throw ValidationError("--fsync-interval must be from 0 to \(Self.longest)")
        }
        guard 0...Self.longest ~= segmentAge else {
            throw ValidationError("--segment-age must be from 0 to \(Self.longest)")
        }
        if untilIdle && endpos != .none { throw ValidationError("--until-idle and --endpos exclude each other") }
        if segmentSize.bytes < 64 << 10 { throw ValidationError("--segment-size must be at least 64kB") }
        if target != nil && !stdout && !retention.prune {
            throw ValidationError("--target goes with --stdout or --prune")
        }
        try retention.validate(streams: streams, hasTarget: target != nil, toStdout: stdout)
        if retention.prune && slotActions.dropSlot { throw ValidationError("--drop-slot goes with no other action") }
        if streams && slotActions.exportSnapshot {
            throw ValidationError("--export-snapshot goes with --create-slot, without --start")
        }
    }

    private var streams: Bool { slotActions.streams(isPruning: retention.prune) }

    /// Does what the program is for.
    public func run() async throws {
        let logger = log.logger("receive")
        if retention.prune && !streams {
            let (retention, dir, target, minFree) = (retention, dir, try targetPosition(), minFree)
            try await Program.run { _ in
                try retention.pruneNow(dir, target: target, minFree: minFree, logger: logger)
            }
            // Nothing else needs the source.
            guard slotActions.createSlot else { return }
        }
        let options = try captureOptions()
        let actions = slotActions
        let (slot, streams) = (self.slot, self.streams)
        let hangup = { @Sendable in options.rotation?.request() ?? () }
        let outcome = try await Program.run(hangup: hangup) { stop -> Capture.Outcome? in
            let temporary = try actions.perform(on: slot, options: options, logger: logger, stop: stop)
            // A publication of ours goes with its temporary slot.
            defer { if let temporary, options.publications.isEmpty { _ = try? temporary.dropPublications(of: slot) } }
            guard streams, !stop.isRequested else { return nil }
            return try ResilientCapture(options, source: temporary, logger: logger, stop: stop).run()
        }
        try conclude(outcome, logger)
    }

    private func captureOptions() throws -> CaptureOptions {
        let source = try ConnectionArgument.resolve(
            source, passwordCommand: sourcePassword.sourcePasswordCommand, option: "--source",
            variable: "WALRELAY_SOURCE")
        var options = CaptureOptions(
            source: source, slot: slot, publications: publication, tool: Program.tool)
        options.spool = stdout ? nil : SpoolDirectory(dir)
        options.end = untilIdle ? .idle : endpos
        options.binary = binary
        options.rotation = RotationRequest()
        options.streaming = streaming
        options.reconnects = !noLoop
        options.maxSpoolSize = maxSpoolSize?.bytes
        options.minFreeDisk = minFree.bytes
        options.statusInterval = statusInterval
        options.syncInterval = fsyncInterval
        options.silenceLimit = silenceLimit
        options.segmentSize = segmentSize.bytes
        options.segmentAge = segmentAge
        if stdout { options.acknowledgingTarget = try targetPosition() }
        options.keeper = retention.keeperOptions(target: try targetPosition(), minFree: minFree)
        return options
    }

    private func targetPosition() throws -> (string: ConnectionString, stream: String)? {
        guard target != nil || retention.pruneWhenShort else { return nil }
        let string = try ConnectionArgument.resolve(
            target, passwordCommand: targetPassword.targetPasswordCommand, option: "--target",
            variable: "WALRELAY_TARGET")
        return (string, origin)
    }

    private func conclude(_ outcome: Capture.Outcome?, _ logger: Logger) throws {
        switch outcome {
        case nil: break
        case .reachedEnd(let position):
            logger.info("reached the end position: the log is complete up to \(position)")
        case .stopped(let position):
            logger.info("stopped; the log ends at \(position)")
            guard endpos == .none && !untilIdle else {
                throw ProgramFailure(
                    .incomplete,
                    "stopped at \(position), before the end position; run the same command again to continue")
            }
        }
    }
}
