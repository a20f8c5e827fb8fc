import Copying
import Failpoints
import Glibc
import Logging
import Observability
import Postgres
import Spool
import Threading

// The moment from which applications use the target, and what comes after it.
extension Switchover {
    /// Applications may use the target already: nothing may be undone.
    struct ReleaseIsDone: Error {
        let cause: any Error
    }

    /// Lets applications use the target, and writes down that the switchover is made.
    func release(
        _ outcome: Outcome, _ before: [CloneJournal.Step], _ stop: StopRequest
    ) async throws -> Outcome {
        var steps = before
        var outcome = outcome
        let end = outcome.end
        let isTold = options.eventCommand != nil
        if isTold {
            // Killed from here on, nobody knows whether applications use the target.
            try await Worker.run(name: "releasing") { try noteRelease(end) }
            Failpoint.beforeRelease.reach()
        }
        await events.finish()
        if isTold { try await step(.release, &steps) { try await tellReleased(end) } }
        Failpoint.beforeSwitchIsDone.reach()
        outcome.steps = steps
        let noted = await attempt { [steps] in
            try await Worker.run(name: "finishing") { try noteSwitch(end, steps, isTold ? nil : stop) }
        }
        if case .failure(let error) = noted {
            guard isTold else { throw error }
            throw ReleaseIsDone(
                cause: ProgramFailure(
                    .inputOutput,
                    "applications were let use the target, and the journal cannot say so (\(error)). Run the same command "
                        + "again: it finishes"))
        }
        Failpoint.afterSwitchIsDone.reach()
        if options.direction > 1 {
            let freed = await attempt {
                try await step(.freeTarget, &steps) {
                    try await Worker.run(name: "fence") { try WayBack(options, logger: logger).freeTarget() }
                }
            }
            if case .failure(let error) = freed { throw ReleaseIsDone(cause: error) }
            outcome.steps = steps
        }
        await hook.tell(.switched, ["end": "\(end)"])
        return outcome
    }

    /// A program that fails has let nobody use the target, or has taken that back.
    private func tellReleased(_ end: LSN) async throws {
        let told = await attempt { try await hook.fire(.released, ["end": "\(end)"]) }
        guard case .failure(let failure) = told else { return }
        let noted = await attempt { try await Worker.run(name: "releasing") { try noteRelease(nil) } }
        guard case .failure(let error) = noted else { throw failure }
        // The application must not write to the source while the journal says that it may use the target.
        throw ReleaseIsDone(
            cause: ProgramFailure(
                .inputOutput,
                "\(failure); and the journal cannot say so (\(error)), so that the source stays as it is. Run the same command "
                    + "again"))
    }

    /// What came of something, so that a failure can be answered by something else that takes time.
    func attempt<Value: Sendable>(_ body: () async throws -> Value) async -> Result<Value, any Error> {
        do {
            return .success(try await body())
        } catch {
            return .failure(error)
        }
    }

    private func noteRelease(_ end: LSN?) throws { try CloneJournal.update(spool) { $0.releasing = end } }

    /// - Parameter stop: until here the user may wish that it is not made; nil where applications use the target already.
    private func noteSwitch(_ end: LSN, _ steps: [CloneJournal.Step], _ stop: StopRequest?) throws {
        let views = wishes.refresh == .afterwards ? try viewsToRefresh() : []
        if let stop { try goOn(stop) }
        try TargetMark(TargetDatabase(options.target).connection).set(.switched, of: journal().id)
        try CloneJournal.update(spool) { journal in
            journal.switchedAt = end
            journal.releasing = nil
            journal.pid = getpid()
            journal.steps += steps
            journal.unrefreshed = views.isEmpty ? nil : views
        }
    }

    private func viewsToRefresh() throws -> [String] {
        let target = try TargetDatabase(options.target).connection
        return try MaterializedViews(on: target, unfilled: viewsToFill()).views.map(\.name)
    }

    /// Views that the copy could not fill, and those that have contents on the source by now. Applications may use the target already:
    /// a source that is gone is in nobody's way.
    func viewsToFill() throws -> [String] {
        let known = try journal().unfilledViews ?? []
        do {
            return try known + source.use(MaterializedViews.filled)
        } catch let error as PostgresError {
            logger.warning("cannot ask the source which materialized views were filled since the copy: \(error)")
            return known
        }
    }

    // MARK: Afterwards

    /// Something is left to be done of a switchover that is made.
    public var hasMoreToDo: Bool {
        guard let journal = try? CloneJournal.read(spool), journal.switchedAt != nil, journal.phase == .following else {
            return false
        }
        let isClosed = (try? WayBack(options, logger: logger).isTargetClosed) ?? false
        return journal.unrefreshed != nil || journal.unvalidated != nil || isClosed
    }

    /// What is done once the application can use the target: materialized views are refreshed, and foreign keys that came in
    /// the switchover look at the rows.
    ///
    /// - Returns: how many views were refreshed, and the names of those that could not be.
    public func afterwards(_ stop: StopRequest) throws -> (refreshed: Int, stale: [String]) {
        defer { progress.begin("") }
        try WayBack(options, logger: logger).freeTarget()
        var refreshed = 0
        var stale: [String] = []
        if let journal = try CloneJournal.read(spool), let names = journal.unrefreshed {
            let target = try TargetDatabase(options.target).connection
            let views = try MaterializedViews(on: target, unfilled: names).limited(to: names)
            stale = try views.refresh(on: options.target, logger, besideReaders: true) {
                if stop.isRequested { throw Self.isLeft(names) }
            }
            refreshed = views.views.count - stale.count
            try CloneJournal.update(spool) { [stale] in $0.unrefreshed = stale.isEmpty ? nil : stale }
        }
        try LateDefinitions.validate(options, logger)
        return (refreshed, stale)
    }

    private static func isLeft(_ views: [String]) -> ProgramFailure {
        ProgramFailure(
            .incomplete,
            "the switchover is made, but materialized views may not be refreshed: run the same command again, or "
                + views.map { "REFRESH MATERIALIZED VIEW \($0);" }.joined(separator: " ") + " on the target")
    }

    // MARK: A release that was interrupted

    /// Continues where a switchover was interrupted that had proved everything: the target may be in use, so that nothing is
    /// done again but to tell that.
    func finishRelease(_ end: LSN, _ stop: StopRequest) async throws -> Outcome {
        logger.warning(
            "an earlier switchover to \(end) was interrupted while it let applications use the target; finishing it")
        let lock = try await Worker.run(name: "following") {
            let patience = Deadline.after(milliseconds: 60_000)
            while true {
                // The clone that followed ends by itself.
                do {
                    let lock = try spool.lockForClone()
                    _ = try TargetDatabase.settledPosition(options, stop: stop, logger: logger)
                    return lock
                } catch let error where !patience.hasPassed && !stop.isRequested && Self.isLocked(error) {
                    _ = Polling.wait(stop.descriptor, until: .after(milliseconds: 50))
                }
            }
        }
        defer { withExtendedLifetime(lock) {} }
        if !wishes.acceptsDrift { try await Worker.run(name: "late") { try checkNothingCameLate(end) } }
        let released = await attempt {
            try await release(Outcome(end: end, sequences: nil, views: nil, steps: []), [], stop)
        }
        if case .failure(let error) = released, let error = error as? ReleaseIsDone { throw error.cause }
        SwitchoverRequest.remove(spool)
        guard case .failure(let error) = released else { return try released.get() }
        _ = await attempt {
            try await Worker.run(name: "fence") { try SwitchoverLeftover.undo(options, logger) }
        }
        await hook.tell(.undone, ["message": "\(error)"])
        throw error
    }

    private func checkNothingCameLate(_ end: LSN) throws {
        do {
            let journal = try journal()
            try source.use {
                try checkLateChanges(journal, after: end, End(marker: end, position: end, xid: nil), on: $0)
            }
        } catch let error as ProgramFailure where error.exitStatus == .conflict {
            throw ProgramFailure(
                .conflict,
                "changes were committed on the source after \(end), and it is not known whether applications use the target "
                    + "already. If they do, add --accept-drift: these changes are lost. If they do not, run it with an "
                    + "--on-event program that fails at the event released: then everything is undone")
        }
    }

    private static func isLocked(_ error: any Error) -> Bool {
        (error as? any ExitStatusError)?.exitStatus == .locked || (error as? SpoolError)?.code == .locked
    }
}
