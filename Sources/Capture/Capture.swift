import Failpoints
import Glibc
import Logging
import PgOutput
import Postgres
import Spool
import Threading

/// The receive stage: streams a slot into the log until told to stop, and acknowledges what is durable.
///
/// Runs on the calling thread, with one more for the disk. Never call it from a Swift task.
public final class Capture {
    /// How a capture ended.
    public enum Outcome: Sendable, Equatable {
        /// The end position was reached; the log is complete up to this position.
        case reachedEnd(LSN)
        /// Asked to stop; the log is durable up to this position.
        case stopped(LSN)
    }

    let options: CaptureOptions
    let logger: Logger
    let stop: StopRequest
    let source: CapturedSource
    private let server: Source?
    let writer: LogWriter
    let wake: WakePipe
    private let hasEnded: Bool
    private let lock: SpoolLock?
    private let acknowledger: TargetAcknowledger?
    private let monitor: CaptureMonitor
    let collector: StreamCollector?
    var assembler: StreamAssembler
    var disk = DiskPart.nobody
    var chunk: OpenChunk
    /// A transaction that was collected while it was in progress, and now comes into the log.
    var splice: Splice?
    var goal: CaptureGoal
    private var confirmation: Confirmation
    private var pacer = ReadPacer()
    var silence: SilenceWatch
    private var segmentSince = Deadline.now
    private var publishAt = Deadline.now

    /// Connects unless a source is given, checks the slot against the spool and recovers the spool's open segment.
    ///
    /// - Throws: ``CaptureError``, ``SpoolError`` or ``PostgresError``.
    public convenience init(
        _ options: CaptureOptions, source given: Source? = nil, logger: Logger, stop: StopRequest
    ) throws {
        let server = try given ?? Source(options.source)
        let slot = try server.usableSlot(options.slot)
        let source = try CapturedSource(server, confirmed: slot.confirmed)
        let options = try server.withPublications(options, logger: logger)
        try self.init(options, source, server: server, logger: logger, stop: stop)
    }

    /// A capture from what need not be a server. Without one it cannot ``run()``; ``turn(_:)`` takes a stream.
    package init(
        _ options: CaptureOptions, _ source: CapturedSource, server: Source? = nil, logger: Logger, stop: StopRequest
    ) throws {
        self.logger = logger
        self.stop = stop
        self.source = source
        self.server = server
        self.options = options
        silence = SilenceWatch(limitSeconds: options.silenceLimit, now: .now)
        let start = try CaptureStart(options, source: source, stop: stop, logger: logger)
        lock = start.lock
        collector =
            try options.streams(source.serverVersion)
            ? options.spool.map { try StreamCollector(folder: $0.path + "/streams") } : nil
        guard let wake = WakePipe() else {
            throw SpoolError(.io(errno: EMFILE), "no more files can be opened; raise the limit (ulimit -n)")
        }
        self.wake = wake
        writer = LogWriter(
            destination: start.destination, header: start.header, durable: start.durable,
            chunkSize: CaptureOptions.chunkSize, syncIntervalMilliseconds: options.syncInterval, wake: wake, stop: stop,
            logger: logger)
        monitor = CaptureMonitor(options, logger: logger, wake: wake)
        hasEnded = start.hasEnded
        let names = try options.spool.map { spool throws(SpoolError) in try RelationNames(spool) }
        if names?.isFull == true {
            logger.warning(
                "state/relations.jsonl has no room for more names: what is renamed from now on is not found by it")
        }
        chunk = OpenChunk(names: names)
        acknowledger = try options.acknowledgingTarget.map {
            try TargetAcknowledger(
                $0.string, stream: $0.stream, source: start.source, from: start.durable, wake: wake, logger: logger)
        }
        goal =
            switch options.end {
            case .none: .none
            case .at(let position): .position(position, since: .now)
            case .current: .position(try source.currentPosition(), since: .now)
            case .idle: .silence(since: .now)
            }
        let end = goal.end
        assembler = StreamAssembler(position: start.position, end: end)
        confirmation = Confirmation(start.durable)
        logger.info("streaming from slot \"\(options.slot)\" at \(start.position)\(end.map { ", up to \($0)" } ?? "")")
    }

    /// The end position, if there is one yet.
    public var end: LSN? { goal.end }

    /// The position up to which the source may forget.
    private var durable: LSN { acknowledger?.position ?? writer.durablePosition }

    /// Streams until the end position, a stop request or an error.
    public func run() throws -> Outcome {
        let watcher = monitor.start()
        options.rotation?.wakes(wake)
        defer {
            options.rotation?.wakes(nil)
            acknowledger?.stop()
            publish()
            monitor.stop()
            // It may be waiting for a source that does not answer.
            watcher?.join(until: .after(milliseconds: 500))
        }
        do {
            return try capture()
        } catch {
            // The disk's thread must have released the spool before anybody opens it again.
            writer.abandon()
            if case .thread(let worker) = disk { worker.join() }
            throw error
        }
    }

    /// Does what there is to do without waiting. True at the end position.
    package func turn(_ stream: some ChangeStream) throws -> Bool {
        let reachedEnd = try drain(stream)
        try housekeeping(stream)
        return reachedEnd
    }

    private func capture() throws -> Outcome {
        if isComplete { return .reachedEnd(assembler.position) }
        disk = .thread(try writer.start())
        if assembler.isAtEnd { return try complete(nil as ReplicationStream?) }
        let stream = try startStream()
        var reachedEnd = false
        do {
            while !reachedEnd && !stop.isRequested {
                reachedEnd = try turn(stream)
                if !reachedEnd { try waitForInput(stream) }
            }
        } catch let error as PostgresError where error.sqlState == .undefinedObject {
            throw Source.lacksPublication(error)
        }
        if reachedEnd { return try complete(stream) }
        return try interrupt(stream)
    }

    /// The log is sealed behind its end record, and nothing more is wanted.
    package var isComplete: Bool { assembler.isAtEnd && hasEnded }

    /// Everything up to the end position is there, and the end record is to be written.
    package var isAtEnd: Bool { assembler.isAtEnd }

    /// Where the log and its buffers end: where a stream is to begin.
    package var position: LSN { assembler.position }

    private func startStream() throws -> ReplicationStream {
        guard let server else { throw CaptureError(.unsuitableServer, "there is no server to stream from") }
        do {
            return try ReplicationStream(
                server.replication, slot: options.slot, from: assembler.position,
                options: PluginOptions.list(options, serverVersion: server.replication.serverVersion))
        } catch {
            throw server.explained(error, slot: options.slot)
        }
    }

    /// Takes in every message that has arrived, or as many as the disk has room for. True at the end position.
    private func drain(_ stream: some ChangeStream) throws -> Bool {
        while true {
            guard let buffer = try takeBuffer() else { return false }
            if splice != nil {
                if try spliceMore(into: buffer) { return true }
                // A chunk is full: time to see whether the source wants an answer.
                if chunk.buffer == nil { return false }
                continue
            }
            switch try stream.next() {
            case .nothing:
                return false
            case .ended:
                throw CaptureError(
                    .streamEnded,
                    "the source ended the stream at \(assembler.position) (is it shutting down?); "
                        + "run the same command again to continue")
            case .keepalive(let walEnd, _, let replyRequested):
                if assembler.keepalive(walEnd) == .reachedEnd { return true }
                if replyRequested { try answer(stream, walEnd) }
            case .data(let lsn, _, let payload):
                pacer.took(payload.count)
                if try collect(payload, lsn: lsn) { continue }
                if try append(payload, flags: [], lsn: lsn, into: buffer) { return true }
            }
        }
    }

    /// Appends a message to the log. True at the end position.
    func append(
        _ payload: UnsafeRawBufferPointer, flags: RecordFlags, lsn: LSN, into buffer: ChunkBuffer
    ) throws -> Bool {
        let action = try assembler.consume(payload, flags: flags, lsn: lsn, into: buffer) { try self.facts(of: $0) }
        if action != .none { try committed() }
        if action == .reachedEnd { return true }
        if buffer.count >= CaptureOptions.chunkSize { submit() }
        return false
    }

    /// The buffer being filled. Nil while the disk holds all buffers.
    func takeBuffer() throws -> ChunkBuffer? {
        if let collector, collector.isDiskFull, try !collector.retry() { return nil }
        // The quota holds back reading, not the rest of what was begun.
        if monitor.isHeldBack && !chunk.isBegun { return nil }
        return try chunk.take {
            try writer.checkFailure()
            return writer.takeBuffer()
        }
    }

    private func committed() throws {
        chunk.reached(assembler.position, .now)
        guard options.spool != nil, !writer.isRotating,
            writer.segmentBytes >= options.segmentSize || isSegmentOld
        else {
            if writer.isIndexDue { submit() }
            return
        }
        rotate()
    }

    /// Has the segment sealed that ends here, between two transactions.
    private func rotate() {
        submit()
        writer.rotate(at: assembler.position)
        assembler.beginSegment()
        segmentSince = .now
    }

    private var isSegmentOld: Bool {
        options.segmentAge > 0 && (segmentSince + options.segmentAge * 1_000).hasPassed
    }

    func submit() { chunk.submit(to: writer) }

    /// What the catalog says of a table. A layout without it could be applied otherwise than it was meant: a TRUNCATE ONLY
    /// would empty the children, too. So no layout is recorded without: a lost session is made again with the whole capture,
    /// and the source sends the transaction once more.
    ///
    /// - Throws: ``PostgresError``.
    private func facts(of relation: Relation) throws -> RelationFacts? {
        let facts = try source.facts(relation.id)
        if let before = chunk.note(relation) {
            logger.warning(
                """
                \(Quoting.qualified(before.schema, before.table)) was renamed, or its columns were: the source sends it as \
                \(Quoting.qualified(relation.namespace, relation.name)) now. Its changes go to what has these names on the target
                """)
        }
        return facts
    }

    /// Hands over what has waited long enough, and tells the source where the log is.
    private func housekeeping(_ stream: some ChangeStream) throws {
        try writer.checkFailure()
        if publishAt.hasPassed { publish() }
        if chunk.dueAt.hasPassed { submit() }
        if durable > confirmation.position || confirmation.dueAt.hasPassed {
            if confirmation.dueAt.hasPassed { try markIdle() }
            try sendStatus(stream)
        }
        if let rotation = options.rotation, isBetweenTransactions, rotation.take() { rotate() }
        try approachEnd(stream)
        try checkSilence(stream)
    }

    var isBetweenTransactions: Bool {
        options.spool != nil && !assembler.isInTransaction && splice == nil && !writer.isRotating
    }

    /// Lets the monitor know how far the capture is.
    private func publish() {
        publishAt = .after(milliseconds: 200)
        for warning in server?.replication.takeWarnings() ?? [] { logger.warning("the source says: \(warning)") }
        let acknowledged = confirmation.position
        let durable = self.durable
        let isBlocked = chunk.buffer == nil && !monitor.isHeldBack
        monitor.update { status in
            status.received = assembler.position
            status.committed = assembler.lastCommitEnd
            status.seen = max(assembler.position, assembler.idlePosition)
            status.durable = durable
            status.acknowledged = acknowledged
            status.lastCommit = assembler.lastCommitTime?.description
            status.transactions = assembler.transactions
            status.messages = assembler.messages
            status.segment = writer.fileName
            status.inProgress = collector?.count ?? 0
            status.inProgressBytes = collector?.fileBytes ?? 0
            guard status.state != .spoolFull else { return }
            status.state =
                writer.isDiskFull || collector?.isDiskFull == true
                ? .diskFull : (isBlocked ? .waitingForDisk : .streaming)
        }
    }

    /// The server wants an answer at once: it may be shutting down, and waits until we have everything.
    private func answer(_ stream: some ChangeStream, _ walEnd: LSN) throws {
        try markIdle()
        try sendStatus(stream)
        // To a pipe nothing is durable by our doing. Who names no durable position may end the source's wait by what has
        // arrived, and its slot stays where it is.
        if options.spool == nil && confirmation.position < walEnd {
            try stream.sendStatus(written: walEnd, flushed: .zero, replyRequested: false)
        }
    }

    /// Writes down that the server is further than the last commit, so that the position can be acknowledged.
    private func markIdle() throws {
        guard let buffer = try takeBuffer(), assembler.appendWatermark(into: buffer) else { return }
        chunk.reached(assembler.position, .now)
        submit()
        writer.sync()
    }

    func sendStatus(_ stream: some ChangeStream, replyRequested: Bool = false) throws {
        let position = durable
        Failpoint.beforeAck.reach()
        try stream.sendStatus(
            written: max(assembler.position, position), flushed: position, replyRequested: replyRequested)
        Failpoint.afterAck.reach()
        confirmation.sent(position, nextIn: options.statusInterval)
    }

    private func waitForInput(_ stream: ReplicationStream) throws {
        var deadline = min(confirmation.dueAt, chunk.dueAt, goal.nextLook)
        let isBlocked = try takeBuffer() == nil
        if isBlocked { silence.heard(.now) } else { deadline = min(deadline, silence.nextLook) }
        if collector?.isDiskFull == true { deadline = min(deadline, .after(milliseconds: 500)) }
        if splice != nil && !isBlocked { deadline = .now }
        if !isBlocked && splice == nil {
            switch pacer.next() {
            case .wait: break
            case .pause(let microseconds):
                // Something was taken in, however little.
                heard()
                usleep(UInt32(microseconds))
                return try stream.readSocket()
            case .read:
                heard()
                return try stream.readSocket()
            }
        }
        let ready = Polling.wait(
            isBlocked ? -1 : stream.socket, wake.readDescriptor, stop.descriptor, until: deadline)
        if ready.second { wake.drain() }
        guard ready.first else { return }
        silence.heard(.now)
        try stream.readSocket()
    }
    private func heard() {
        let now = Deadline.now
        goal.heard(now)
        silence.heard(now)
    }
}
