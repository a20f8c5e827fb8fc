import Copying
import Failpoints
import Logging
import Observability
import Postgres
import Spool
import Synchronization
import Threading

/// What the clone that follows does for a switchover that another process makes: it continues to apply, ends its stages when
/// it is asked to, and then waits for how the switchover goes. One that was killed is undone here.
final class SwitchoverPart: Sendable {
    /// How a switchover went for which the stages have ended.
    enum Verdict: Sendable, Equatable {
        /// It is made: nothing may be applied any more.
        case made(LSN)
        /// It is not made: changes are to be applied again.
        case undone
        /// The user wishes this clone to end.
        case stopped
    }

    private let options: CloneOptions
    private let progress: CloneProgress
    private let logger: Logger
    private let spool: SpoolDirectory
    /// The request for which the stages end.
    private let accepted = Mutex<SwitchoverRequest?>(nil)

    private static let idleMilliseconds = 1_000
    private static let busy = Duration.milliseconds(5)

    init(_ options: CloneOptions, progress: CloneProgress, logger: Logger) {
        self.options = options
        self.progress = progress
        self.logger = logger
        spool = SpoolDirectory(options.spool)
    }

    /// The stages have been asked to end for a switchover.
    var isAsked: Bool { accepted.withLock { $0 != nil } }

    // MARK: While changes are applied

    /// Answers requests until one wants the stages to end, or the task is cancelled.
    ///
    /// - Parameter rest: asks the stages to end.
    func watch(_ rest: StopRequest) async {
        var answered: SwitchoverAnswer?
        var trouble = ""
        while !Task.isCancelled {
            var pause: Duration?
            do {
                if let request = try SwitchoverRequest.read(spool) {
                    pause = Self.busy
                    if let lock = try? spool.lockForSwitchover() {
                        answered = nil
                        try await undo(request, lock)
                        sayThatItGoesOn()
                    } else if request.wish == .rest, answered?.request == request.id {
                        accepted.withLock { $0 = request }
                        logger.info("the target has what the switchover needs; ending the stages")
                        return rest.request()
                    } else {
                        try answer(request, &answered)
                    }
                } else if answered != nil {
                    answered = nil
                    sayThatItGoesOn()
                }
                trouble = ""
            } catch {
                pause = .seconds(1)
                let words = "\(error)"
                if words != trouble { logger.warning("\(words)") }
                trouble = words
            }
            if let pause { try? await Task.sleep(for: pause) } else { await awaitRequest() }
        }
    }

    /// Waits on a thread of its own until there is a request, or the task is cancelled: timers of tasks wake three threads.
    private func awaitRequest() async {
        let (appeared, ending) = (StopRequest(), StopRequest())
        let worker = Worker.start(name: "switchover watch") { [spool] in
            while !SwitchoverRequest.isThere(spool), !ending.isRequested {
                _ = Polling.wait(ending.descriptor, until: .after(milliseconds: Self.idleMilliseconds))
            }
            appeared.request()
        }
        guard worker != nil else { return (try? await Task.sleep(for: .seconds(1))) ?? () }
        await appeared.awaitRequest()
        ending.request()
    }

    private func answer(_ request: SwitchoverRequest, _ answered: inout SwitchoverAnswer?) throws {
        let answer = SwitchoverAnswer(request: request.id, state: .following, blocked: progress.snapshot.blocked)
        guard answer != answered else { return }
        if answered?.request != request.id {
            progress.begin("switching over")
            logger.info("process \(request.pid) makes a switchover; changes are applied until it has what it needs")
        }
        try answer.write(spool)
        answered = answer
    }

    private func sayThatItGoesOn() {
        progress.begin("following")
        logger.info("the switchover was not made; following continues")
    }

    // MARK: When no stage runs any more

    /// Says that nothing is applied, and waits until it is known whether anything may be.
    ///
    /// - Throws: ``ProgramFailure`` with `conflict` when the switchover was killed while it let applications use the target.
    func verdict(_ stop: StopRequest) async throws -> Verdict {
        guard let request = accepted.withLock({ $0 }) else { return .undone }
        progress.forgetStages()
        Failpoint.beforeRest.reach()
        try SwitchoverAnswer(request: request.id, state: .resting).write(spool)
        while true {
            if stop.isRequested { return .stopped }
            // The order matters: a switchover that is made is written down before its request is taken away.
            let now = try SwitchoverRequest.read(spool)
            let lock = try? spool.lockForSwitchover()
            if lock != nil || now?.id != request.id {
                let verdict = try Self.judge(try CloneJournal.read(spool))
                guard verdict == .undone else {
                    if lock != nil { SwitchoverRequest.remove(spool) }
                    return verdict
                }
                do {
                    if let lock { try await undo(now ?? request, lock) }
                } catch {
                    // The request stays, and is looked at again beside the stages.
                    logger.warning("\(error)")
                }
                sayThatItGoesOn()
                return verdict
            }
            try? await Task.sleep(for: Self.busy)
        }
    }

    /// What the journal says of a switchover that is over.
    static func judge(_ journal: CloneJournal?) throws -> Verdict {
        if let end = journal?.switchedAt { return .made(end) }
        guard let end = journal?.releasing else { return .undone }
        throw releaseIsUnknown(end)
    }

    /// Nobody but the same command knows what to do.
    static func releaseIsUnknown(_ end: LSN) -> ProgramFailure {
        ProgramFailure(
            .conflict,
            "a switchover to \(end) was interrupted while the program of --on-event let applications use the target, so that "
                + "nothing may be applied. Run the same clone switchover again: it finishes, or undoes everything")
    }

    // MARK: A switchover that was killed

    /// Undoes what a switchover left that is not there any more; `lock` keeps another one from beginning meanwhile.
    private func undo(_ request: SwitchoverRequest, _ lock: SpoolLock) async throws {
        defer { withExtendedLifetime(lock) {} }
        // Another one may have begun and ended since it was read.
        guard try SwitchoverRequest.read(spool) == request else { return }
        logger.warning("process \(request.pid) has ended before its switchover was made; undoing that")
        Failpoint.beforeUndo.reach()
        let (options, spool, logger) = (options, spool, logger)
        let isFree = try await Worker.run(name: "fence") {
            try SwitchoverLeftover.undo(options, logger)
            return try CloneJournal.read(spool)?.fencedAt == nil
        }
        guard isFree else {
            throw ProgramFailure(.connection, "the source is still read-only; trying again to let it be written to")
        }
        SwitchoverRequest.remove(spool)
        await EventHook(options, logger: logger).tell(.undone, ["message": "a switchover was interrupted"])
    }
}
