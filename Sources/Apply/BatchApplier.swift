import Batches
import Logging
import Postgres
import Threading

/// Applies a stream of batches to the target, each in one transaction together with the origin's progress.
///
/// Batches that the target has already are skipped. Lives on one thread, together with its connection.
public final class BatchApplier {
    private let target: ConnectionString
    private let options: ApplyOptions
    private let stop: StopRequest?
    private let logger: Logger
    private let report: (ApplyStatistics) -> Void

    private var source: BatchPreamble?
    private var session: TargetSession?
    private var origin: ReplicationOrigin?
    private var transaction: BatchTransaction?
    private var header: BatchHeader?
    /// Counts so far; ``ApplyStatistics/position`` is the target's position.
    public private(set) var statistics = ApplyStatistics()

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
    }

    /// Applies batches until the end mark, a stop or an error.
    ///
    /// - Throws: ``ApplyError``. An unfinished batch is rolled back.
    public func run(reader: inout BatchReader) throws -> ApplyOutcome {
        do {
            while true {
                if transaction == nil, header == nil, stop?.isRequested == true { return .stopped(statistics.position) }
                if let outcome = try handle(try reader.next()) { return outcome }
            }
        } catch is DescriptorSource.Stopped {
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
        } catch let error as ApplyError where error.code == .originBusy && stop?.isRequested == true {
            return .stopped(statistics.position)
        } catch {
            abandon()
            throw error
        }
    }

    /// The input ended early, which a stop explains, also one that comes a moment later.
    private var isStopping: Bool { stop?.isRequested(by: .after(milliseconds: 500)) ?? false }

    private func abandon() {
        transaction?.rollback()
        transaction = nil
        header = nil
    }

    private func handle(_ event: BatchEvent) throws -> ApplyOutcome? {
        switch event {
        case .preamble(let preamble): try begin(preamble)
        case .preambleStatement: break
        case .batchBegin(let header): try begin(header)
        case .statement(let sql, let rows): try transaction?.append(sql, expectedRows: rows)
        case .copy(let sql, let rows): try transaction?.beginCopy(sql, expectedRows: rows)
        case .copyData(let data): try transaction?.copyData(data)
        case .copyEnd: try transaction?.endCopy()
        case .commit(let end): try commit(end)
        case .rollback: abandon()
        case .end(let end): return try finish(end)
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

    private func begin(_ preamble: BatchPreamble) throws(ApplyError) {
        if let source {
            guard source.systemIdentifier == preamble.systemIdentifier, source.database == preamble.database,
                source.encoding == preamble.encoding, options.origin != nil || source.origin == preamble.origin
            else {
                throw ApplyError(
                    .foreignStream,
                    "the input goes on with system \(preamble.systemIdentifier), database "
                        + "\(Quoting.identifier(preamble.database)), origin \(Quoting.identifier(preamble.origin)), "
                        + "but it began with another; replay one source at a time")
            }
            return
        }
        let session = try TargetSession(target, encoding: preamble.encoding, logger: logger)
        let origin = try ReplicationOrigin(
            name: options.origin ?? preamble.origin, session: session, waitSeconds: options.originWaitSeconds,
            stop: stop, logger: logger)
        source = preamble
        self.session = session
        self.origin = origin
        statistics.position = try origin.position()
        logger.info(
            "connected to the target",
            metadata: [
                "origin": "\(origin.name)", "position": "\(statistics.position?.description ?? "none")",
            ])
    }

    /// Opens the batch's transaction, unless the target has the batch already.
    private func begin(_ header: BatchHeader) throws(ApplyError) {
        guard let session else { throw ApplyError(.malformedInput, "a batch comes before any preamble") }
        self.header = header
        if let position = statistics.position {
            let isApplied = header.to.map { $0 <= position } ?? header.commit.map { $0 < position } ?? false
            if isApplied { return }
            guard header.from >= position else {
                throw ApplyError(
                    .straddling,
                    "the target is at \(position), inside the batch; write the batches again with: "
                        + "transform --from \(position)", batch: header.range)
            }
            guard header.from <= position else {
                throw ApplyError(
                    .gap,
                    "the batch continues from \(header.from) but the target is at \(position): what lies between is "
                        + "missing from the input; write the batches again with: transform --from \(position)",
                    batch: header.range)
            }
        }
        transaction = BatchTransaction(session.connection, batch: header.range, sendBytes: options.sendBytes)
    }

    private func commit(_ end: LSN) throws(ApplyError) {
        guard let header else { throw ApplyError(.malformedInput, "a commit comes outside any batch") }
        if let transaction {
            try transaction.commit()
            statistics.position = end
            statistics.batchesApplied += 1
            statistics.transactions += header.transactions
            statistics.changes += header.changes ?? 0
            statistics.rows += transaction.rows
            statistics.bytes += transaction.bytes
        } else {
            statistics.batchesSkipped += 1
        }
        transaction = nil
        self.header = nil
        report(statistics)
    }

    private func finish(_ end: BatchEnd) throws(ApplyError) -> ApplyOutcome {
        // Read from the target again: this is what the success is claimed on.
        let position = try origin?.position() ?? statistics.position
        statistics.position = position
        guard let position, position >= end.to else {
            throw ApplyError(
                .gap,
                "the stream ends at \(end.to) but the target is at \(position?.description ?? "its start"); write the "
                    + "batches again with: transform --from \(position?.description ?? "the start")")
        }
        return .reachedEnd(position)
    }
}
