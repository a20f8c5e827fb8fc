import Copying
import Glibc
import Logging
import Observability
import Spool
import Synchronization
import Threading

/// Whoever applies the changes while a switchover is made: the clone that follows, or this process, where none does or the
/// one that did has ended. Its functions block.
final class SwitchoverFollower: Sendable {
    private struct State {
        /// What the clone that follows was asked for; nil when there is none.
        var request: SwitchoverRequest?
        /// Keeps a clone from beginning to follow.
        var lock: SpoolLock?
        /// The stages, where they are ours.
        var own: OwnFollower?
    }

    private let options: CloneOptions
    private let progress: CloneProgress
    private let logger: Logger
    private let spool: SpoolDirectory
    private let state = Mutex(State())

    /// A clone that does not answer for so long knows nothing of requests.
    private static let answerMilliseconds = 15_000
    /// The stages take no longer to end.
    private static let endMilliseconds = 60_000

    /// - Parameter options: with the publications and filters of the migration.
    init(_ options: CloneOptions, progress: CloneProgress, logger: Logger) {
        self.options = options
        self.progress = progress
        self.logger = logger
        spool = SpoolDirectory(options.spool)
    }

    /// The stages are children of this process.
    var isOurs: Bool { state.withLock { $0.own != nil } }

    /// Finds the clone that follows, or begins to follow.
    ///
    /// - Parameter pid: the clone that followed last.
    /// - Throws: ``ProgramFailure`` with `conflict` when the target refuses a change.
    func engage(_ pid: pid_t, _ stop: StopRequest) throws {
        let request = SwitchoverRequest(.stay)
        try request.write(spool)
        state.withLock { $0.request = request }
        let patience = Deadline.after(milliseconds: Self.answerMilliseconds)
        while true {
            if let lock = try freeLock() {
                logger.info("no clone follows; following here, until the target has everything")
                return try begin(lock)
            }
            if let answer = try SwitchoverAnswer.read(to: request, spool) {
                logger.info("process \(answer.pid) follows, and continues until the target has everything")
                return try check(answer)
            }
            guard !stop.isRequested else { throw Switchover.stopped }
            if patience.hasPassed {
                logger.warning("the clone that follows does not answer; ending it, and following here")
                return try begin(try takeOver(pid, stop))
            }
            _ = Polling.wait(stop.descriptor, until: .after(milliseconds: 10))
        }
    }

    /// Looks after whoever applies the changes, and takes the place of a clone that has ended.
    ///
    /// - Throws: why nothing is applied.
    func look() throws {
        let (request, own) = state.withLock { ($0.request, $0.own) }
        if let own { return try own.check() }
        if let lock = try freeLock() {
            logger.warning("the clone that followed has ended; following here, until the target has everything")
            return try begin(lock)
        }
        if let request, let answer = try SwitchoverAnswer.read(to: request, spool) { try check(answer) }
    }

    private func check(_ answer: SwitchoverAnswer) throws {
        guard let blocked = answer.blocked else { return }
        throw ProgramFailure(
            ExitStatus(rawValue: blocked.code) ?? .conflict,
            "applying is blocked since \(blocked.since): \(blocked.words). Do what its message in the log of clone --follow "
                + "says, run clone retry, and try again")
    }

    // MARK: The end of the stages

    /// Asks the stages to end. They have nothing to do any more.
    func requestRest() throws {
        let (request, own) = state.withLock { ($0.request, $0.own) }
        if let own { return own.requestEnd() }
        guard var request else { return }
        request.wish = .rest
        try request.write(spool)
    }

    /// Waits until nobody applies anything, and nobody will before this switchover has ended.
    func awaitRest(_ stop: StopRequest) throws {
        let patience = Deadline.after(milliseconds: Self.endMilliseconds)
        while true {
            let (request, own) = state.withLock { ($0.request, $0.own) }
            if let own {
                if own.hasEnded { return }
            } else if let lock = try freeLock() {
                logger.warning("the clone that followed has ended")
                return state.withLock { $0.lock = lock }
            } else if let request, try SwitchoverAnswer.read(to: request, spool)?.state == .resting {
                return
            }
            guard !stop.isRequested else { throw Switchover.stopped }
            guard !patience.hasPassed else {
                throw ProgramFailure(
                    .incomplete, "the stages do not end, so that the switchover is not made; see what they write")
            }
            _ = Polling.wait(stop.descriptor, until: .after(milliseconds: 5))
        }
    }

    /// The switchover is not made: the clone that follows continues.
    func giveUp() {
        let (request, own) = state.withLock { ($0.request, $0.own) }
        // A fence that could not be lowered is left to the clone that follows, which tries again.
        let isFenced = (try? CloneJournal.read(spool))?.fencedAt != nil
        if request != nil && !isFenced { SwitchoverRequest.remove(spool) }
        own?.requestEnd()
        let patience = Deadline.after(milliseconds: Self.endMilliseconds)
        while let own, !own.hasEnded, !patience.hasPassed {
            _ = Polling.wait(-1, until: .after(milliseconds: 20))
        }
        guard state.withLock({ $0.lock != nil }) else { return }
        logger.warning("nobody follows now: the slot keeps WAL on the source until clone --follow runs again")
    }

    /// The switchover is made, and the journal says so: the clone that followed ends.
    func finish() {
        if state.withLock({ $0.request != nil }) { SwitchoverRequest.remove(spool) }
    }

    // MARK: Following here

    private func freeLock() throws -> SpoolLock? {
        do throws(SpoolError) {
            return try spool.lockForClone()
        } catch {
            guard error.code == .locked else { throw error }
            return nil
        }
    }

    private func begin(_ lock: SpoolLock) throws {
        SwitchoverRequest.remove(spool)
        state.withLock { state in
            state.lock = lock
            state.request = nil
        }
        progress.noteLock()
        try CloneJournal.update(spool) { $0.pid = getpid() }
        // That of a clone that was killed makes what it has durable.
        guard try spool.isFree(within: 15_000) else {
            throw ProgramFailure(.locked, "another receive writes to \(options.spool); stop it first")
        }
        try LateDefinitions.drop(options, logger)
        let own = try OwnFollower(options, progress: progress, logger: logger)
        state.withLock { $0.own = own }
    }

    /// Has a clone of an older version end in good order.
    private func takeOver(_ pid: pid_t, _ stop: StopRequest) throws -> SpoolLock {
        let patience = Deadline.after(milliseconds: Self.endMilliseconds)
        // While the lock is held, the number is that of its holder.
        kill(pid, SIGTERM)
        while true {
            if let lock = try freeLock() { return lock }
            guard !stop.isRequested else { throw Switchover.stopped }
            guard !patience.hasPassed else {
                throw ProgramFailure(
                    .locked, "the clone that follows (process \(pid)) does not end; stop it, and try again")
            }
            _ = Polling.wait(stop.descriptor, until: .after(milliseconds: 100))
        }
    }
}
