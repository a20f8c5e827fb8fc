import Batches
import Failpoints
import Logging
import Postgres
import Threading

/// How a range of the log is rendered, from the fastest to the one that tells most.
enum RecoveryOrder: Comparable {
    /// Net changes.
    case net
    /// The source's own order: net changes may collide where that does not.
    case source
    /// The same, each transaction of the source by itself: a refusal then stops at the one that it is about.
    case split
}

// What is done about a batch that failed, or that must not be applied as it is, once all of it has come. If anything of
// it was applied, it is rolled back by then.
extension BatchApplier {
    /// The failure can be dealt with when the batch's end is known.
    func canRecover(_ error: ApplyError) -> Bool {
        if isStopped(error) { return false }
        // What several connections cannot do together, one may.
        if state.open?.isLaned == true && (error.code == .lanesDepend || error.code == .conflict || error.isRefusal) {
            return true
        }
        if error.code == .straddling { return log != nil }
        return canRecover(error, order: usualOrder, transactions: state.open?.header.transactions ?? 0)
    }

    /// The statement was cancelled because the program is to stop.
    private func isStopped(_ error: ApplyError) -> Bool { error.isCancelled && stop?.isRequested == true }

    private func canRecover(_ error: ApplyError, order: RecoveryOrder, transactions: Int) -> Bool {
        if isStopped(error) { return false }
        if error.isTransient { return options.reconnects && stop?.isRequested != true }
        return error.isRefusal && log != nil && next(order, transactions: transactions) != nil
    }

    /// What the batches are written in.
    private var usualOrder: RecoveryOrder { isNet ? .net : .source }

    /// What is tried after a refusal; nil where that could say nothing new.
    private func next(_ order: RecoveryOrder, transactions: Int) -> RecoveryOrder? {
        switch order {
        case .net: .source
        case .source: transactions > 1 ? .split : nil
        case .split: nil
        }
    }

    /// Brings the target to `end`, the end of the batch `header`, after `failure`, or without having tried.
    func recover(_ header: BatchHeader, to end: LSN, after failure: ApplyError?) throws {
        var failure = failure
        if let open = state.open, open.isLaned {
            // From here on it is one connection's.
            state.open?.course = failure.map { .failed($0, isLaned: false) } ?? .withheld
            do {
                if let failure, try applyTogether(header, to: end, after: failure) { return }
            } catch let error as ApplyError where canRecover(error) {
                executor.abandon()
                failure = error
            }
        }
        var order = usualOrder
        var losses = SessionLosses(max: options.lossesMax)
        if let first = failure { failure = losses.note(first) }
        while true {
            do {
                if let failure, failure.isRefusal, let next = next(order, transactions: header.transactions) {
                    order = next
                    note(failure, order, to: end)
                    Failpoint.beforeOrdered.reach()
                }
                if let lost = losses.takeLast() {
                    executor.statistics.trouble = "batch \(header.range): \(failure ?? lost)"
                    report(statistics)
                    if try reopen(header, to: end, after: lost, order, &losses.backoff) { return }
                }
                try applyRange(header, to: end, order, after: failure)
                return
            } catch let error as ApplyError {
                executor.abandon()
                let error = losses.note(error)
                guard canRecover(error, order: order, transactions: header.transactions) else {
                    guard !isStopped(error) else { throw error }
                    executor.statistics.trouble = "\(error)"
                    report(statistics)
                    throw error
                }
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
        if try !applyKept(header, to: end, usualOrder) {
            try applyRange(header, to: end, usualOrder, after: failure)
        }
        return true
    }

    /// After a lost connection or a deadlock: the target says how far it is. True when it has the batch, by its last
    /// commit or because the batch was sent again.
    private func reopen(
        _ header: BatchHeader, to end: LSN, after failure: ApplyError, _ order: RecoveryOrder,
        _ backoff: inout Backoff
    ) throws -> Bool {
        executor.statistics.position = try link.reopen(after: failure, &backoff)
        executor.statistics.reconnections += 1
        try level()
        return try applyKept(header, to: end, order)
    }

    /// Sends the batch again as it was kept. False when it was not, or the target is not where it continues.
    private func applyKept(_ header: BatchHeader, to end: LSN, _ order: RecoveryOrder) throws -> Bool {
        let position = statistics.position
        // The commit went through before the answer was lost.
        if let position, position >= end {
            executor.noteApplied(header, end)
            return true
        }
        guard state.open?.course.isWithheld != true, !recordsLog, order == usualOrder,
            position ?? header.from == header.from,
            recorder.isComplete
        else { return false }
        try executor.begin(header)
        try recorder.replay { event throws(ApplyError) in try executor.perform(event) }
        try executor.commit(end)
        return true
    }

    private func note(_ failure: ApplyError, _ order: RecoveryOrder, to end: LSN) {
        let reason = failure.cause?.message ?? "a statement changed another number of rows than expected"
        let how = order == .split ? "one transaction at a time" : "in the source's own order"
        logger.warning(
            "\(reason); applying the range again, \(how)",
            metadata: [
                "from": "\(executor.statistics.position ?? .zero)", "to": "\(end)", "table": "\(failure.table ?? "")",
            ])
        if order == .source { executor.statistics.batchesInOrder += 1 }
    }

    /// Applies what lies between the target's position and `end` from the log, but for what is to be left out.
    private func applyRange(
        _ header: BatchHeader, to end: LSN, _ order: RecoveryOrder, after failure: ApplyError?
    ) throws {
        var from = executor.statistics.position ?? header.from
        let skips = options.skips.filter { $0 > from && $0 <= end }.sorted()
        guard let log else {
            if skips == [end], header.transactions == 1 { return try skip(header, to: end) }
            throw unreadable(header, skips, after: failure)
        }
        // What a crash took from the target comes from the log, but not what the input left out: that is refused.
        if failure == nil, let position = executor.statistics.position, header.from > position {
            try executor.begin(header)
        }
        for skip in skips {
            guard let transaction = try log.transaction(endingAt: skip, after: from) else {
                throw ApplyError(
                    .unknownTransaction,
                    "no transaction of the log ends at \(skip), which is to be skipped; see: inspect locate",
                    batch: header.range)
            }
            if transaction.previousEnd > from { try apply(log, from: from, to: transaction.previousEnd, order) }
            try self.skip(transaction, from: max(from, transaction.previousEnd))
            from = skip
        }
        if from < end { try apply(log, from: from, to: end, order) }
    }

    private func unreadable(_ header: BatchHeader, _ skips: [LSN], after failure: ApplyError?) -> ApplyError {
        guard skips.isEmpty else {
            return ApplyError(
                .unknownTransaction,
                "the transaction that ends at \(skips[0]) is one of \(header.transactions) in the batch, or none; give "
                    + "replay the log with --spool, or write each by itself: transform --max-changes 1 --from "
                    + "\(executor.statistics.position ?? header.from)", batch: header.range)
        }
        let position = executor.statistics.position?.description
        var error = ApplyError(
            .connectionLost,
            "the connection was lost (\(failure?.cause?.message ?? failure?.message ?? "")) and the target is at "
                + "\(position ?? "its start"); write the batches again with: transform --from "
                + "\(position ?? "the start"), or give replay the log with --spool", batch: header.range)
        error.isFinal = true
        return error
    }

    /// Applies the batches of a range of the log.
    private func apply(_ log: any BatchLog, from: LSN, to end: LSN, _ order: RecoveryOrder) throws {
        var range = BatchRange(
            from: from, to: end, order: order == .net ? .net : .source, stream: source?.stream ?? "")
        range.isSplit = order == .split
        var reader = BatchReader(source: try log.batches(range))
        // For a report about a refused row; it may stop in the middle, and is not to be sent again.
        recordsLog = true
        do {
            while true {
                let event = try reader.next()
                switch event {
                case .preamble(let preamble): try follow(preamble)
                case .batchBegin(let header):
                    recorder.begin()
                    logged = header
                    try executor.begin(header)
                case .statement, .copy, .copyData, .copyEnd:
                    _ = recorder.append(event)
                    try executor.perform(event)
                case .commit(let end): try executor.commit(end)
                case .rollback: executor.abandon()
                case .preambleStatement, .barrier: break
                case .end: return
                case .endOfInput: throw logEndedEarly()
                }
            }
        } catch {
            executor.abandon()
            throw error
        }
    }

    /// Why a range of the log has no end: its renderer was stopped with this, or something is wrong.
    func logEndedEarly() -> any Error {
        if stop?.isRequested == true { return DescriptorSource.Stopped() }
        return ApplyError(.inputEndedEarly, "the log ended before the range that is to be applied again")
    }
}
