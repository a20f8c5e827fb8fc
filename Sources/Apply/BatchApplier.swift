import Batches
import Logging
import Postgres
import Threading

/// Applies a stream of batches to the target, each in one transaction together with the target's position.
///
/// Batches that the target has already are skipped. Lives on one thread, together with its connection.
public final class BatchApplier {
    let target: ConnectionString
    let options: ApplyOptions
    let stop: StopRequest?
    let logger: Logger
    let link: TargetLink
    let executor: BatchExecutor
    var recorder = BatchRecorder()
    /// What was recorded last is from the log, not the open batch.
    var recordsLog = false
    let report: (ApplyStatistics) -> Void
    private(set) var source: BatchPreamble?
    /// What the input is in the middle of.
    var state = ApplyState.between
    /// The batch that is taken from the log.
    var logged: BatchHeader?
    /// The connections beside the first, where there are any.
    var lanes: LaneGroup?

    /// Counts so far; ``ApplyStatistics/position`` is the target's position.
    public var statistics: ApplyStatistics { executor.statistics }

    /// The log, if it says the same as the batches.
    var log: (any BatchLog)? {
        guard let source else { return options.log }
        return source.filter == options.logFilter && (source.selection != true || source.filter != nil)
            ? options.log : nil
    }

    /// The name of the target's position.
    var streamName: String { options.stream ?? source?.stream ?? "" }

    /// The batches hold net changes.
    var isNet: Bool { source?.order == .net }

    /// An applier that connects to `target` when the stream's preamble has said its encoding.
    ///
    /// - Parameters:
    ///   - stop: ends the work at the next batch boundary, or at once while waiting for input.
    ///   - report: called after each batch.
    public init(
        target: ConnectionString, options: ApplyOptions = ApplyOptions(), stop: StopRequest? = nil, logger: Logger,
        report: @escaping (ApplyStatistics) -> Void = { _ in }
    ) {
        self.target = target
        self.options = options
        self.stop = stop
        self.logger = logger
        self.report = report
        link = TargetLink(target, options: options, stop: stop, logger: logger)
        executor = BatchExecutor(link, options: options, logger: logger)
    }

    /// Applies batches until the end mark, a stop or an error.
    ///
    /// - Throws: ``ApplyError``. An unfinished batch is rolled back.
    public func run(reader: inout BatchReader) throws -> ApplyOutcome {
        let outcome = try apply(&reader)
        lanes?.retire(tool: options.tool)
        concludeSkips()
        return outcome
    }

    private func apply(_ reader: inout BatchReader) throws -> ApplyOutcome {
        do {
            while true {
                if case .between = state, stop?.isRequested == true { return .stopped(statistics.position) }
                let event = try reader.next()
                if let outcome = try handle(event, lane: reader.lane) { return outcome }
            }
        } catch is DescriptorSource.Stopped {
            if case .ended(let end) = state { return try finish(end) }
            abandon()
            return .stopped(statistics.position)
        } catch let error as BatchError {
            abandon()
            // The program before this one in the pipeline ends on the same signal and may leave a batch unfinished.
            if error.code == .truncated {
                if isStopping { return .stopped(statistics.position) }
                throw ApplyError(.inputEndedEarly, error.description)
            }
            throw ApplyError(.malformedInput, error.description)
        } catch let error as ApplyError
            where stop?.isRequested == true && (error.code == .positionBusy || error.isTransient || error.isCancelled)
        {
            abandon()
            return .stopped(statistics.position)
        } catch let error as ApplyError {
            let reported = reported(error)
            abandon()
            throw reported
        } catch {
            abandon()
            throw error
        }
    }

    /// The input ended early, which a stop explains, also one that comes a moment later.
    private var isStopping: Bool { stop?.isRequested(by: .after(milliseconds: 500)) ?? false }

    private func abandon() {
        executor.abandon()
        if state.open?.isLaned == true { lanes?.abandon() }
        state = .between
    }

    private func handle(_ event: BatchEvent, lane: Int) throws -> ApplyOutcome? {
        if case .ended(let end) = state {
            if case .endOfInput = event { return try finish(end) }
            // An end counts only as the last thing: the stream may have been resumed.
            state = .between
        }
        switch event {
        case .preamble(let preamble): try begin(preamble)
        case .preambleStatement: break
        case .batchBegin(let header):
            recordsLog = false
            logged = nil
            state = .open(OpenBatch(header, isWithheld: header.to != nil && mayHoldSkip(header)))
            try attempt { () throws(ApplyError) in try start(header) }
        case .statement, .copy, .copyData, .copyEnd: try perform(event, lane: lane)
        case .barrier: try barrier()
        case .commit(let end): try commit(end)
        case .rollback: abandon()
        case .end(let end): state = .ended(end)
        case .endOfInput:
            guard options.allowsOpenEnd else {
                if isStopping { return .stopped(statistics.position) }
                throw ApplyError(
                    .inputEndedEarly,
                    "the input ended without an end mark: the program before this one failed or was stopped; the "
                        + "target is at \(statistics.position?.description ?? "its start"), run it again to continue")
            }
            return .inputEnded(statistics.position)
        }
        return nil
    }

    private func start(_ header: BatchHeader) throws(ApplyError) {
        if let lanes, !mayHoldSkip(header), try !executor.isApplied(header), lanes.wants(header) {
            recorder.begin(lanes: lanes.count)
            state.open?.course = .lanes
            return try lanes.begin(header)
        }
        recorder.begin()
        try executor.begin(header)
    }

    private func perform(_ event: BatchEvent, lane: Int) throws(ApplyError) {
        guard let open = state.open, !open.course.isWithheld else { return }
        if open.isLaned {
            guard lane < lanes?.count ?? 0 else {
                throw ApplyError(.malformedInput, "a statement is of a lane that there is not; write it with transform")
            }
            if let part = recorder.append(event, lane: lane), open.failure == nil { lanes?.take(part) }
            return
        }
        if executor.isApplying || open.failure != nil { _ = recorder.append(event) }
        try attempt { () throws(ApplyError) in try executor.perform(event) }
    }

    /// What follows depends on all lanes: the batch is one connection's, once all of it has come.
    private func barrier() throws(ApplyError) {
        guard let open = state.open, open.isLaned else { return }
        recorder.barrier()
        try attempt { () throws(ApplyError) in
            throw ApplyError(.lanesDepend, "changes of several lanes depend on one another", batch: open.header.range)
        }
    }

    /// Does a step of the open batch. One that fails in a way that can be fixed later ends the batch for now.
    private func attempt(_ step: () throws(ApplyError) -> Void) throws(ApplyError) {
        guard state.open?.isApplied == true else { return }
        do throws(ApplyError) {
            try step()
        } catch {
            // A batch whose end is not known yet may turn out to be one that is to be left out.
            guard canRecover(error) || (error.isRefusal && state.open.map { mayHoldSkip($0.header) } ?? false) else {
                throw advise(error)
            }
            executor.abandon()
            if state.open?.isLaned == true { lanes?.abandon() }
            state.open?.fail(error)
        }
    }

    /// Net changes that were refused may be right, and only their order be wrong.
    private func advise(_ error: ApplyError) -> ApplyError {
        guard error.code == .constraint, isNet, log == nil, let open = state.open?.header else { return error }
        var advised = error
        advised.message +=
            "; if rows only swapped a unique value, the source's own order passes: transform --ordered --from "
            + "\(open.from) --to \(open.to?.description ?? "the commit's end"), or give replay the log with --spool"
        return advised
    }

    private func commit(_ end: LSN) throws {
        guard let open = state.open else {
            throw ApplyError(.malformedInput, "a commit comes outside any batch; write it again with transform")
        }
        if options.skips.contains(end), !open.course.isWithheld, !executor.has(open.header) {
            // A transaction whose end was not known when it began.
            executor.abandon()
            state.open?.course = .withheld
        }
        try attempt { () throws(ApplyError) in try open.isLaned ? commitLanes(end) : executor.commit(end) }
        switch state.open?.course {
        case .failed(let failure, _):
            guard canRecover(failure) else { throw advise(failure) }
            try recover(open.header, to: end, after: failure)
        case .withheld: try recover(open.header, to: end, after: nil)
        case .together, .lanes, nil: break
        }
        state = .between
        report(statistics)
    }

    private func commitLanes(_ end: LSN) throws(ApplyError) {
        guard let lanes, let open = state.open?.header else { return }
        for part in recorder.seal() { lanes.take(part) }
        let counts = try lanes.commit(end)
        executor.statistics.rows += counts.rows
        executor.statistics.bytes += counts.bytes
        executor.statistics.batchesInLanes += 1
        executor.noteApplied(open, end)
    }

    private func begin(_ preamble: BatchPreamble) throws {
        guard source == nil else {
            try follow(preamble)
            guard lanes == nil || preamble.lanes == options.jobs else {
                throw ApplyError(
                    .malformedInput,
                    "the input continues with batches for \(preamble.lanes ?? 1) connections, and it began with batches "
                        + "for \(options.jobs); apply the rest with --jobs \(preamble.lanes ?? 1)")
            }
            return
        }
        let claim = TargetPosition.Claim(
            stream: options.stream ?? preamble.stream, source: ProgressSource(preamble), start: preamble.from,
            acceptedLog: options.acceptedLog, tool: options.tool)
        executor.statistics.position = try link.open(encoding: preamble.encoding, claim)
        source = preamble
        try level()
        try openLanes(preamble)
        let connection = try link.connection()
        do throws(PostgresError) {
            try TargetCheck(connection: connection, logger: logger).run()
        } catch {
            throw ApplyError(error, batch: nil, table: nil)
        }
        if options.log != nil && log == nil {
            logger.warning(
                """
                the batches leave out or rename tables otherwise than --filters says: none of them can be taken from the \
                log again (--spool)
                """)
        }
        logger.info(
            "connected to the target",
            metadata: ["stream": "\(streamName)", "position": "\(statistics.position?.description ?? "none")"])
        if let position = statistics.position {
            for skip in options.skips.sorted() where skip <= position {
                logger.info("the target is past \(skip) already: nothing is skipped there")
            }
        }
    }

    /// Takes what a further preamble says of what follows it, once it is known to be of the same source.
    func follow(_ preamble: BatchPreamble) throws(ApplyError) {
        guard let source else { return }
        guard source.systemIdentifier == preamble.systemIdentifier, source.database == preamble.database,
            source.encoding == preamble.encoding, options.stream != nil || source.stream == preamble.stream
        else {
            throw ApplyError(
                .foreignStream,
                "the input continues with system \(preamble.systemIdentifier), database "
                    + "\(Quoting.identifier(preamble.database)), position \(Quoting.identifier(preamble.stream)), "
                    + "but it began with another; replay one source at a time")
        }
        var next = ProgressSource(preamble)
        // A part of the log that does not name it is read beside one that does.
        if next.logID == nil, let known = link.position?.source.logID { next.logID = known }
        try link.position?.continue(with: next)
    }

    private func finish(_ end: BatchEnd) throws(ApplyError) -> ApplyOutcome {
        // Read from the target again: this is what the success is claimed on.
        let position = try durablePosition()
        guard let position, position >= end.to else {
            throw ApplyError(
                .gap,
                "the stream ends at \(end.to) but the target is at \(position?.description ?? "its start"); write the "
                    + "batches again with: transform --from \(position?.description ?? "the start")")
        }
        return .reachedEnd(position)
    }

    /// The target's position, read from it; the connection may have been lost since the last batch.
    private func durablePosition() throws(ApplyError) -> LSN? {
        var backoff = Backoff()
        while true {
            do throws(ApplyError) {
                executor.statistics.position = try link.durablePosition() ?? statistics.position
                return statistics.position
            } catch {
                guard canRecover(error), error.isTransient else { throw error }
                executor.statistics.position = try link.reopen(after: error, &backoff)
            }
        }
    }
}
