import Logging
import PgOutput
import Postgres
import Spool

/// Where a capture goes on: what the spool holds, compared with what the slot still has.
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

    init(_ options: CaptureOptions, source: Source, confirmed: LSN, logger: Logger) throws {
        guard let spool = options.spool else {
            lock = nil
            destination = .pipe(1)
            header = CaptureStart.header(options, source: source, start: confirmed, previous: nil, logID: nil)
            position = confirmed
            durable = confirmed
            hasEnded = false
            return
        }
        lock = try spool.open(
            for: SpoolIdentity(
                systemIdentifier: source.identity.systemIdentifier, database: source.catalog.database,
                slot: options.slot))
        let recovered = try spool.recover()
        if let recovered { CaptureStart.report(recovered, logger) }
        let segments = try spool.segments()
        let last = try recovered == nil ? segments.last.map { try spool.summary(of: $0).footer } ?? nil : nil
        hasEnded = last?.hasEnd ?? false
        let end = recovered?.end ?? last?.end
        if let end, end < confirmed {
            throw CaptureError(
                .gap,
                "the slot \"\(options.slot)\" is at \(confirmed), but the spool \(spool.path) ends at \(end): the changes "
                    + "between them were acknowledged and are not here. Restore the missing segments, or drop the slot, "
                    + "empty the spool and start again from a new copy")
        }
        if let timeline = recovered?.header.timeline ?? segments.last?.timeline,
            timeline != source.identity.timeline
        {
            throw CaptureError(
                .timelineSwitch,
                "the source is on timeline \(source.identity.timeline), the spool on \(timeline): the source was failed "
                    + "over or restored. Only if the new server has every commit of the old one is it safe to go on; "
                    + "otherwise start again from a new copy")
        }
        position = end ?? confirmed
        durable = position
        destination = .spool(spool, recovered)
        header = CaptureStart.header(
            options, source: source, start: position,
            previous: segments.last { !$0.isPartial }?.fileName, logID: try spool.identity()?.logID)
    }

    /// What the changes come from.
    var source: ProgressSource {
        ProgressSource(
            systemIdentifier: header.systemIdentifier, database: header.database, slot: header.slot,
            logID: header.logID, timeline: header.timeline, history: header.history ?? [])
    }

    private static func report(_ recovered: RecoveredSegment, _ logger: Logger) {
        logger.info("going on with open segment \(recovered.name.fileName), which ends at \(recovered.end)")
        if recovered.cutBytes > 0 {
            logger.info(
                "cut \(recovered.cutBytes) bytes after the last whole transaction; the source sends them again")
        }
        if let aside = recovered.putAside {
            logger.warning("the open segment was damaged; its old contents are kept in \(aside)")
        }
    }

    private static func header(
        _ options: CaptureOptions, source: Source, start: LSN, previous: String?, logID: String?
    ) -> SegmentHeader {
        let plugin = PluginOptions.list(options, serverVersion: source.replication.serverVersion)
        return SegmentHeader(
            systemIdentifier: source.identity.systemIdentifier, timeline: source.identity.timeline,
            database: source.catalog.database, slot: options.slot,
            pluginOptions: Dictionary(plugin.map { ($0.name, $0.value) }) { first, _ in first },
            publications: options.publications, serverVersion: source.catalog.serverVersion,
            encoding: source.encoding, start: start, previous: previous,
            logID: logID, tool: options.tool)
    }
}
