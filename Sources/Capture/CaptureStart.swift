import Logging
import Observability
import PgOutput
import Postgres
import Spool
import Threading

/// Where a capture continues: what the spool holds, compared with what the slot still has.
struct CaptureStart {
    let lock: SpoolLock?
    let destination: LogWriter.Destination
    let header: SegmentHeader
    /// Where the stream is to begin.
    let position: LSN
    /// What may be acknowledged before anything was received.
    let durable: LSN
    /// The log is sealed and its last record is an end record.
    let hasEnded: Bool

    init(_ options: CaptureOptions, source: CapturedSource, stop: StopRequest, logger: Logger) throws {
        let confirmed = source.confirmed
        guard var spool = options.spool else {
            lock = nil
            destination = .pipe(1)
            header = CaptureStart.header(options, source: source, start: confirmed, previous: nil, logID: nil)
            position = confirmed
            durable = confirmed
            hasEnded = false
            return
        }
        spool.indexStep = min(spool.indexStep, options.segmentSize / 8)
        lock = try spool.open(
            for: SpoolIdentity(
                systemIdentifier: source.systemIdentifier, database: source.database,
                slot: options.slot))
        FileAccess.narrow(spool.path, logger)
        var recovered = try spool.recover()
        if let recovered { CaptureStart.report(recovered, logger) }
        let tail = try LogTail(spool, recovered)
        try tail?.check(slot: options.slot, confirmed: confirmed)
        if let tail, try tail.checkIsContinued(by: source.timeline) {
            let now = source.timeline.number
            logger.info("the source is on timeline \(now) now, and has all of the log, which ends at \(tail.end)")
            // A segment is of one timeline.
            if let open = recovered { try spool.seal(open) }
            recovered = nil
        } else if let tail {
            let wait = SourceWait(end: tail.end, position: source.currentPosition, isStandby: source.isInRecovery)
            try wait.run(log: spool.path, stop: stop, logger: logger)
        }
        hasEnded = recovered == nil && tail?.hasEnd ?? false
        position = tail?.end ?? confirmed
        durable = position
        destination = .spool(spool, recovered)
        header = CaptureStart.header(
            options, source: source, start: position,
            previous: try spool.segments().last { !$0.isPartial }?.fileName, logID: try spool.identity()?.logID)
    }

    /// What the changes come from.
    var source: ProgressSource {
        ProgressSource(
            systemIdentifier: header.systemIdentifier, database: header.database, slot: header.slot,
            logID: header.logID, timeline: header.timeline, history: header.history ?? [])
    }

    private static func report(_ recovered: RecoveredSegment, _ logger: Logger) {
        logger.info("resuming open segment \(recovered.name.fileName), which ends at \(recovered.end)")
        if recovered.cutBytes > 0 {
            logger.info(
                "cut \(recovered.cutBytes) bytes after the last whole transaction; the source sends them again")
        }
        if let aside = recovered.putAside {
            logger.warning("the open segment was damaged; its old contents are kept in \(aside)")
        }
    }

    private static func header(
        _ options: CaptureOptions, source: CapturedSource, start: LSN, previous: String?, logID: String?
    ) -> SegmentHeader {
        let plugin = PluginOptions.list(options, serverVersion: source.serverVersion)
        return SegmentHeader(
            systemIdentifier: source.systemIdentifier, timeline: source.timeline.number,
            database: source.database, slot: options.slot,
            pluginOptions: Dictionary(plugin.map { ($0.name, $0.value) }) { first, _ in first },
            publications: options.publications, serverVersion: source.serverVersion,
            encoding: source.encoding, start: start, previous: previous,
            logID: logID, history: source.timeline.history.flatMap { $0.isEmpty ? nil : $0 }, tool: options.tool)
    }
}
