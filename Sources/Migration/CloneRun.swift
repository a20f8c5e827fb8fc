import Capture
import Catalog
import Copying
import Failpoints
import Logging
import Observability
import Postgres
import Spool
import Supervision
import Threading

/// One run of `clone`: begins a migration, or continues with the one that the spool's journal tells of.
public struct CloneRun: Sendable {
    /// How a run ended.
    public enum Outcome: Sendable {
        /// Everything is on the target; with an end position, also the changes up to it.
        case done(CloneJournal)
        /// Asked to stop while following: the same command continues.
        case stopped(CloneJournal)
        /// Another process has made the switchover: nothing is to be applied any more.
        case switched(CloneJournal)
    }

    private let options: CloneOptions
    private let logger: Logger
    private let spool: SpoolDirectory
    /// What the copy is doing.
    public let progress: CloneProgress

    /// A run that has not begun.
    public init(_ options: CloneOptions, progress: CloneProgress = CloneProgress(), logger: Logger) {
        self.options = options
        self.progress = progress
        self.logger = logger
        spool = SpoolDirectory(options.spool)
    }

    /// Copies unless that is done, follows if that is wanted, and cleans up behind an end position.
    ///
    /// - Throws: ``ProgramFailure`` and what the modules throw.
    public func run(_ stop: StopRequest) async throws -> Outcome {
        do {
            return try await runOnce(stop)
        } catch {
            if !stop.isRequested { await EventHook(options, logger: logger).tell(.failed, ["message": "\(error)"]) }
            throw error
        }
    }

    /// Keeps why this run ended, for `clone status`.
    public func noteFailure(code: Int32, _ message: String) {
        // Another clone's journal is not ours to write.
        guard progress.ownsSpool, (try? CloneJournal.read(spool)) != nil else { return }
        do {
            try CloneJournal.update(spool) {
                $0.lastFailure = .init(at: Timestamp.now.description, code: code, message: message)
            }
        } catch {
            logger.warning("the journal cannot be written: \(error)")
        }
    }

    private func runOnce(_ stop: StopRequest) async throws -> Outcome {
        let lock = try spool.lockForClone()
        FileAccess.narrow(spool.path, logger)
        defer { withExtendedLifetime(lock) {} }
        progress.noteLock()
        var switching: SpoolLock? = try await Worker.run(name: "preparing") { try beAlone() }
        // Ends the copy: the user's wish, or a failure of receive beside it.
        let abort = StopRequest()
        let watcher = Task {
            await stop.awaitRequest()
            if stop.isRequested { abort.request() }
        }
        defer { watcher.cancel() }
        let (options, logger) = (options, logger)
        let journal = try await Worker.run(name: "preparing") {
            var start = CloneStart(options, logger: logger)
            var journal = try start.journal(stop: abort)
            let kept = options.keepLog ?? journal.keepLog
            guard journal.lastFailure != nil || kept != journal.keepLog else { return journal }
            journal.lastFailure = nil
            journal.keepLog = kept
            try journal.write(spool)
            return journal
        }
        if journal.phase == .done, options.follows, !journal.follows {
            throw ProgramFailure(
                .usage,
                "the copy in \(options.spool) was made without --follow, so that no slot has kept the changes since: start over "
                    + "with an empty target and another --dir")
        }
        if let moment = journal.givenUpAt {
            throw ProgramFailure(
                .conflict,
                "the migration in \(options.spool) was given up by clone cleanup at \(moment), before a switchover: no slot has kept the "
                    + "changes since. Start over with an empty target and another --dir")
        }
        if journal.phase == .done {
            logger.info("this migration is done already; for another one use another --dir")
            return .done(journal)
        }
        if journal.isEnding == true {
            logger.info("everything up to the end position is there; dropping what is left of slot and position")
            return .done(try await Worker.run(name: "finishing") { try end(journal) })
        }
        guard options.follows else {
            let copied = try await Worker.run(name: "copy") { try copy(journal, abort) {} }
            await tellCopied(copied)
            return .done(copied)
        }
        try await Worker.run(name: "fence") { try SwitchoverLeftover.undo(options, logger) }
        if let before = try options.directionBefore() {
            // The switchback before this may have been killed when it was made.
            try await Worker.run(name: "fence") { [logger] in try WayBack(before, logger: logger).freeTarget() }
        }
        if journal.fencedAt != nil {
            await EventHook(options, logger: logger).tell(.undone, ["message": "a switchover was interrupted"])
        }
        SwitchoverRequest.remove(spool)
        withExtendedLifetime(switching) {}
        switching = nil
        let cleaning = Task { [options, logger] in
            if options.direction > 1 { await WayBack(options, logger: logger).endDirectionBefore() }
        }
        defer { cleaning.cancel() }
        return try await follow(journal, stop, abort)
    }

    /// Sees to it that no switchover is under way, nor one that was interrupted where only the same command may continue.
    ///
    /// - Returns: what keeps another one from beginning.
    private func beAlone() throws -> SpoolLock {
        let lock: SpoolLock
        do throws(SpoolError) {
            lock = try spool.lockForSwitchover()
        } catch {
            guard error.code == .locked else { throw error }
            throw ProgramFailure(
                .locked, "a clone switchover is under way in \(options.spool), and follows by itself; wait for its end")
        }
        if let journal = try CloneJournal.read(spool), journal.switchedAt == nil, let end = journal.releasing {
            throw SwitchoverPart.releaseIsUnknown(end)
        }
        return lock
    }

    private func tellCopied(_ journal: CloneJournal) async {
        await EventHook(options, logger: logger).tell(
            .copied, ["tables": "\(journal.tables.count)", "bytes": "\(journal.bytes)"])
    }

    private func copy(
        _ journal: CloneJournal, _ stop: StopRequest, slotIsReady: () -> Void
    ) throws -> CloneJournal {
        try DatabaseCopy(options.adopting(journal), journal: journal, stop: stop, progress: progress, logger: logger)
            .run(slotIsReady: slotIsReady)
    }

    private func follow(_ journal: CloneJournal, _ stop: StopRequest, _ abort: StopRequest) async throws -> Outcome {
        let outcome: Outcome
        do {
            outcome = try await follow(journal, stop, abort: abort)
        } catch {
            await giveUpSlot()
            if let now = try? CloneJournal.read(spool), now.phase == .following {
                logger.warning(
                    "nobody reads from slot \"\(now.slot)\" now: it keeps WAL on the source until clone continues")
            }
            throw error
        }
        guard case .done(let now) = outcome else { return outcome }
        return .done(try await Worker.run(name: "finishing") { try finish(now) })
    }

    /// The slot of a copy that was not completed is of no use, but would fill the source's disk.
    private func giveUpSlot() async {
        guard let journal = try? CloneJournal.read(spool), journal.phase == .copying else { return }
        guard !journal.isResumable else {
            return logger.warning(
                """
                slot "\(options.slot)" keeps WAL on the source until the same command continues with the copy; clone cleanup \
                gives it up
                """)
        }
        do {
            try await Worker.run(name: "giving up") {
                try CloneEnd(options, logger: logger).dropSlotAndPosition()
            }
        } catch {
            logger.error(
                """
                slot "\(options.slot)" may be left on the source and keep WAL there (\(error)); clone cleanup drops it
                """)
        }
    }

    private func follow(
        _ journal: CloneJournal, _ stop: StopRequest, abort: StopRequest
    ) async throws -> Outcome {
        var following = options.adopting(journal)
        if following.publications.isEmpty { following.publications = journal.publications }
        if following.end == "current" && (journal.phase != .copying || journal.hasCopied(.rows)) {
            // The log may have the end record of an earlier run, which is another position.
            following.end = try await Worker.run(name: "source") { try Self.currentPosition(options).description }
        }
        let drift = Task { [following, logger] in
            // Up to an end position the definitions are looked at by who asked for it.
            if following.end == nil { await DriftWatch(following, logger: logger).run() }
        }
        let events = Task { [following, logger] in
            guard following.end == nil, following.eventCommand != nil else { return }
            let hook = EventHook(following, logger: logger)
            await EventWatch(hook: hook, progress: progress, spool: spool).run()
        }
        defer {
            drift.cancel()
            events.cancel()
        }
        var journal = journal
        while true {
            let (failure, part) = try await runStages(following, journal, stop, abort)
            // What only another start would fix ended because of the stop.
            let isStop = (stop.isRequested || part.isAsked) && failure?.isTransient != false
            if let failure, !isStop {
                throw ProgramFailure(
                    failure.code == 0 ? .incomplete : ExitStatus(rawValue: failure.code) ?? .failure,
                    "\(failure.words); its message is above. "
                        + (failure.isTransient
                            ? "Run the same command again to continue"
                            : "Once its cause is removed, the same command continues"))
            }
            guard let now = try CloneJournal.read(spool) else {
                throw ProgramFailure(.failure, "the journal is gone from \(spool.statePath)")
            }
            if failure != nil && options.end != nil {
                throw ProgramFailure(
                    .incomplete, "stopped before the end position; run the same command again to continue")
            }
            guard part.isAsked, !stop.isRequested else {
                return options.end == nil || stop.isRequested ? .stopped(now) : .done(now)
            }
            switch try await part.verdict(stop) {
            case .made: return .switched(try CloneJournal.read(spool) ?? now)
            case .stopped: return .stopped(now)
            case .undone: journal = now
            }
        }
    }

    /// Runs the stages, and the copy beside them where there is none yet, until they end or are told to.
    private func runStages(
        _ following: CloneOptions, _ journal: CloneJournal, _ stop: StopRequest, _ abort: StopRequest
    ) async throws -> (StageFailure?, SwitchoverPart) {
        if journal.phase == .following, journal.switchedAt == nil {
            try await Worker.run(name: "target") { try LateDefinitions.drop(following, logger) }
        }
        let part = SwitchoverPart(following, progress: progress, logger: logger)
        let rest = StopRequest()
        let watchers = [
            Task { if following.end == nil { await part.watch(rest) } },
            Task {
                await stop.awaitRequest()
                if stop.isRequested { rest.request() }
            },
        ]
        defer { for watcher in watchers { watcher.cancel() } }
        let (isReady, ready) = AsyncStream<Void>.makeStream()
        let failure = try await following.makePipeline(progress, logger).follow(
            rest, isReady: isReady, onFailure: { abort.request() }
        ) {
            defer { ready.finish() }
            guard journal.phase == .copying else {
                if options.end == nil { progress.begin("following") }
                ready.yield()
                return
            }
            await tellCopied(try await Worker.run(name: "copy") { try copy(journal, abort) { ready.yield() } })
            progress.begin("following")
            logger.info("following the source's changes")
        }
        return (failure, part)
    }

    /// Where the source is, durably: a crash could take back what it has not flushed, and if nobody wrote any more, it
    /// would never get there again.
    private static func currentPosition(_ options: CloneOptions) throws -> LSN {
        let source = try Connection(options.source, applicationName: DatabaseSession.applicationName)
        let position = try source.currentPosition(doing: "taking the end position")
        try source.makeCommitsDurable()
        return position
    }

    /// The end position is on the target: sets the sequences, and drops what only following needed.
    private func finish(_ journal: CloneJournal) throws -> CloneJournal {
        try CloneEnd(options, logger: logger).setSequences()
        Failpoint.beforeEnd.reach()
        guard journal.late != nil else { return try end(journal) }
        _ = try LateDefinitions.make(options, logger)
        let ended = try end(try CloneJournal.read(spool) ?? journal)
        try LateDefinitions.validate(options, logger)
        return try CloneJournal.read(spool) ?? ended
    }

    /// Gives up the slot. A run that comes after one that was killed here must not look for it, nor forget it.
    private func end(_ journal: CloneJournal) throws -> CloneJournal {
        var journal = journal
        journal.isEnding = true
        try journal.write(spool)
        try CloneEnd(options, logger: logger).dropSlotAndPosition()
        Failpoint.beforeDone.reach()
        journal.phase = .done
        try journal.write(spool)
        return journal
    }
}
