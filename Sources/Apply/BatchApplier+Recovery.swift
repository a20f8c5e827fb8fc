import Batches
import Logging
import Postgres
import Threading

// What is done about a batch that failed, once all of it has come: the batch is rolled back by then.
extension BatchApplier {
    /// The failure can be dealt with when the batch's end is known.
    func canRecover(_ error: ApplyError) -> Bool {
        // What several connections cannot do together, one may.
        if isLaned && (error.code == .lanesDepend || error.code == .conflict || error.isRefusal) { return true }
        if error.code == .straddling { return log != nil }
        if error.isPassing { return options.reconnects && stop?.isRequested != true }
        return error.isRefusal && isNet && log != nil
    }

    /// Brings the target to `end`, the end of the batch `header`, after `failure`.
    func recover(_ header: BatchHeader, to end: LSN, after failure: ApplyError) throws {
        var failure = failure
        if isLaned {
            isLaned = false
            do {
                if try applyTogether(header, to: end, after: failure) { return }
            } catch let error as ApplyError where canRecover(error) {
                executor.abandon()
                failure = error
            }
        }
        while true {
            do {
                if failure.isPassing {
                    try applyAgain(header, to: end, after: failure)
                } else if failure.code == .straddling, let log, let position = statistics.position {
                    logger.info(
                        "taking the rest of a batch from the log", metadata: ["from": "\(position)", "to": "\(end)"])
                    try apply(log, from: position, to: end, source?.order ?? .net)
                } else {
                    try applyInOrder(from: executor.statistics.position ?? header.from, to: end, after: failure)
                }
                return
            } catch let error as ApplyError
                where canRecover(error) && (error.isPassing || failure.isPassing || failure.code == .straddling)
            {
                executor.abandon()
                failure = error
            }
        }
    }

    /// After a failure of several connections: one of them does it. False when connections are lost.
    private func applyTogether(
        _ header: BatchHeader, to end: LSN, after failure: ApplyError
    ) throws -> Bool {
        if failure.code == .connectionLost {
            lanes?.close()
            return false
        }
        lanes?.yield()
        if failure.code != .lanesDepend {
            logger.info(
                "several connections got into each other's way; applying the batch on one",
                metadata: ["batch": "\(header.range)", "because": "\(failure.cause?.message ?? failure.message)"])
        }
        try level()
        try applyRest(header, to: end)
        return true
    }

    /// After a lost connection or a deadlock: the target says how far it is.
    private func applyAgain(_ header: BatchHeader, to end: LSN, after failure: ApplyError) throws {
        let position = try link.reopen(after: failure)
        executor.statistics.position = position
        executor.statistics.reconnections += 1
        try level()
        try applyRest(header, to: end, failure)
    }

    /// Applies what the target lacks of a batch.
    private func applyRest(_ header: BatchHeader, to end: LSN, _ failure: ApplyError? = nil) throws {
        let position = statistics.position
        // The commit went through before the answer was lost.
        if let position, position >= end { return executor.noteApplied(header, end) }
        if position ?? header.from == header.from, recorder.isComplete {
            try executor.begin(header)
            try recorder.replay { event throws(ApplyError) in try executor.perform(event) }
            return try executor.commit(end)
        }
        guard let log else {
            throw ApplyError(
                .connectionLost,
                "the connection was lost (\(failure?.cause?.message ?? failure?.message ?? "")) and the target is at "
                    + "\(position?.description ?? "its start"); write the batches again with: transform --from "
                    + "\(position?.description ?? "the start"), or give replay the log with --spool",
                batch: header.range)
        }
        try apply(log, from: position ?? header.from, to: end, .net)
    }

    /// After a refusal: net changes reorder, and may collide where the source's own order did not.
    private func applyInOrder(from: LSN, to end: LSN, after failure: ApplyError) throws {
        guard let log else { throw failure }
        let reason = failure.cause?.message ?? "a statement changed another number of rows than expected"
        logger.warning(
            "\(reason); applying the range again, in the source's own order",
            metadata: ["from": "\(from)", "to": "\(end)", "table": "\(failure.table ?? "")"])
        executor.statistics.batchesInOrder += 1
        try apply(log, from: from, to: end, .source)
    }

    /// Applies the batches of a range of the log.
    private func apply(_ log: any BatchLog, from: LSN, to end: LSN, _ order: BatchPreamble.Order) throws {
        let range = BatchRange(from: from, to: end, order: order, origin: source?.origin ?? "")
        var reader = BatchReader(source: try log.batches(range))
        do {
            while true {
                let event = try reader.next()
                switch event {
                case .preamble(let preamble): try check(preamble)
                case .batchBegin(let header): try executor.begin(header)
                case .statement, .copy, .copyData, .copyEnd: try executor.perform(event)
                case .commit(let end): try executor.commit(end)
                case .rollback: executor.abandon()
                case .preambleStatement, .barrier: break
                case .end: return
                case .endOfInput:
                    throw ApplyError(.inputEndedEarly, "the log ended before the range that is to be applied again")
                }
            }
        } catch {
            executor.abandon()
            throw error
        }
    }
}
