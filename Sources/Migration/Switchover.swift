import Capture
import Comparison
import Copying
import Failpoints
import Glibc
import Logging
import Observability
import Postgres
import Spool
import Threading

/// Brings a followed migration to its end position, and proves it. Until its last step nothing is done that is not undone
/// when it fails, or done again when it is repeated.
///
/// The clone that follows continues to apply (``SwitchoverPart``); this process makes the fence, takes the end position,
/// waits until the target has it, and proves it (``SwitchoverFollower``).
public struct Switchover: Sendable {
    let options: CloneOptions
    let wishes: SwitchoverOptions
    let logger: Logger
    let spool: SpoolDirectory
    /// What the switchover is doing.
    public let progress = CloneProgress()
    /// Events between the fence and the release, for which the application does not wait.
    let events = EventLine()
    /// Opened before the fence, so that it may write under it.
    let source: HeldSession
    let target: HeldSession

    /// How a switchover went.
    public struct Outcome: Sendable {
        /// The position up to which the target has everything.
        public var end: LSN
        /// Sequences that stand where the source's do; nil when an earlier run set them.
        public var sequences: Int?
        /// Materialized views that were refreshed; nil when that comes now.
        public var views: Int?
        /// What the stream of changes does not carry, differed, and was brought over.
        public var rest: [String] = []
        /// Materialized views that could not be refreshed.
        public var staleViews: [String] = []
        /// Tables that were compared, and are equal.
        public var comparedTables: Int?
        /// Foreign keys and triggers that come in the switchover and could not be made.
        public var remarks: [String] = []
        /// The steps and their times.
        public var steps: [CloneJournal.Step]
    }

    /// The switchover of the migration with these options.
    public init(_ options: CloneOptions, _ wishes: SwitchoverOptions, logger: Logger) {
        var options = options
        options.follows = true
        self.options = options
        self.wishes = wishes
        self.logger = logger
        spool = SpoolDirectory(options.spool)
        source = HeldSession { [server = options.source] in try SourceFence.connect(server) }
        target = HeldSession { [server = options.target] in try TargetDatabase(server).connection }
    }

    /// Says whether a switchover could be made now, and changes nothing.
    public func check(_ stop: StopRequest) throws -> (findings: [Finding], plan: SwitchoverPlan) {
        let journal = try journal()
        var check = try SwitchoverCheck(options, wishes, journal)
        try check.look()
        try check.lookAtLag(isFollowed: CloneJournal.isRunning(spool), stop)
        let plan = SwitchoverPlan(
            wishes, views: check.views.map(\.name), hasHook: options.eventCommand != nil, hasLate: journal.late != nil,
            isBack: options.direction > 1)
        return (check.findings, plan)
    }

    /// Waits until little is left, has everything applied up to the source's present position, verifies it, and sets the
    /// sequences.
    public func run(_ stop: StopRequest) async throws -> Outcome {
        let lock = try await Worker.run(name: "lock") { try lockOut(stop) }
        defer { withExtendedLifetime(lock) {} }
        let journal = try journal()
        if let end = journal.releasing { return try await finishRelease(end, stop) }
        let checked = await attempt { try await Worker.run(name: "checking") { try check(journal) } }
        if case .failure(let error) = checked {
            // The application must not stay locked out by one that was killed before.
            _ = await attempt {
                try await Worker.run(name: "fence") { try SwitchoverLeftover.undo(options, logger) }
            }
            SwitchoverRequest.remove(spool)
            throw error
        }
        var following = options.adopting(journal)
        following.publications = journal.publications
        let follower = SwitchoverFollower(following, progress: progress, logger: logger)
        let made = await attempt { try await run(journal, follower, stop) }
        guard case .failure(let error) = made else {
            follower.finish()
            return try made.get()
        }
        if let error = error as? ReleaseIsDone { throw error.cause }
        _ = await attempt {
            try await Worker.run(name: "giving up") {
                // Before the clone that follows may begin to undo it as well.
                if try CloneJournal.read(spool)?.fencedAt == nil { try SwitchoverLeftover.undo(options, logger) }
            }
        }
        _ = await attempt { try await Worker.run(name: "giving up") { follower.giveUp() } }
        throw error
    }

    private func run(
        _ journal: CloneJournal, _ follower: SwitchoverFollower, _ stop: StopRequest
    ) async throws -> Outcome {
        var steps: [CloneJournal.Step] = []
        try await step(.follow, &steps) {
            try await Worker.run(name: "following") { try follower.engage(journal.pid, stop) }
        }
        Failpoint.afterRequest.reach()
        try await step(.lag, &steps) {
            try await Worker.run(name: "lag") { try awaitLag(follower, stop) }
        }
        if wishes.refresh == .afterwards {
            // None is as old as the copy when applications come.
            let count = try await step(.refreshBefore, &steps) {
                try await Worker.run(name: "refreshing") { try refresh { try goOn(stop) }.refreshed }
            }
            if count == 0 {
                steps.removeLast()
            } else {
                try await step(.lagAgain, &steps) {
                    try await Worker.run(name: "lag") { try awaitLag(follower, stop) }
                }
            }
        }
        if wishes.keepsWayBack {
            try goOn(stop)
            try await step(.prepareWayBack, &steps) {
                try await Worker.run(name: "way back") { try WayBack(options, logger: logger).prepare() }
            }
        } else {
            // What one has left that was killed.
            try await Worker.run(name: "way back") { try WayBack(options, logger: logger).remove() }
        }
        try goOn(stop)
        Failpoint.afterTakeOver.reach()
        let looks = looks(try self.journal())
        defer { looks.giveUp() }
        try await step(.rehearse, &steps) {
            try await Worker.run(name: "sessions") { for session in [source, target] { session.prepare() } }
            await looks.rehearsed()
        }
        guard wishes.fences else { return try await drain(try self.journal(), looks, follower, stop, steps) }
        // Who pauses the application's connections does it here.
        if options.eventCommand != nil {
            try await step(.beforeFence, &steps) { try await hook.fire(.beforeFence) }
        }
        let raised = await attempt {
            try await step(.fence, &steps) {
                try await Worker.run(name: "fence") {
                    try source.use { try SourceFence.raise(options.source, on: $0, spool, logger) }
                }
            }
        }
        let made = await attempt {
            _ = try raised.get()
            events.tell(hook, .fenced)
            return try await drain(try self.journal(), looks, follower, stop, steps)
        }
        guard case .failure(let error) = made, !(error is ReleaseIsDone) else { return try made.get() }
        // The application can continue where it was.
        _ = await attempt {
            try await Worker.run(name: "fence") {
                if case .success(let fence) = raised { return fence.lower(logger) }
                // It may have been raised all the same.
                try SourceFence.lowerLeftover(options.source, spool, logger)
            }
        }
        await events.finish()
        await hook.tell(.undone, ["message": "\(error)"])
        throw error
    }

    func goOn(_ stop: StopRequest) throws {
        if stop.isRequested { throw Self.stopped }
    }

    /// Waits for another switchover, or for the clone that undoes one that was killed.
    private func lockOut(_ stop: StopRequest) throws -> SpoolLock {
        let patience = Deadline.after(milliseconds: 10_000)
        while true {
            do throws(SpoolError) {
                return try spool.lockForSwitchover()
            } catch {
                guard error.code == .locked, !patience.hasPassed else { throw error }
            }
            guard !stop.isRequested else { throw Self.stopped }
            _ = Polling.wait(stop.descriptor, until: .after(milliseconds: 20))
        }
    }

    /// Waits until the target has what the source has by now, verifies it, and sets what no change brings.
    private func drain(
        _ journal: CloneJournal, _ looks: Looks, _ follower: SwitchoverFollower, _ stop: StopRequest,
        _ before: [CloneJournal.Step]
    ) async throws -> Outcome {
        var steps = before
        let options = self.options
        try goOn(stop)
        try await step(.inFlight, &steps) {
            try await Worker.run(name: "in flight") {
                try source.use { try InFlight(source: $0).await(seconds: wishes.inFlightSeconds, stop, logger) }
            }
        }
        // Nobody can change definitions or take values of sequences any more where the source is fenced: both are done while
        // changes are applied.
        let early = wishes.fences ? Task { try await looks.look() } : nil
        let end = try await step(.end, &steps) {
            try await Worker.run(name: "source") { try source.use(endPosition) }
        }
        logger.info("the end position is \(end.position)")
        let sets = setSequences()
        let earlySequences = wishes.fences ? Task { try await sets() } : nil
        try await step(.apply, &steps) {
            try await Worker.run(name: "applying") {
                try target.use { try awaitApplied(end, follower, stop, $0) }
            }
        }
        Failpoint.afterDrain.reach()
        events.tell(hook, .drained, ["end": "\(end.position)"])
        try goOn(stop)
        try follower.requestRest()
        let plan = try await step(.definitions, &steps) {
            if let early { try await early.value } else { try await looks.look() }
        }
        let position = try await step(.stages, &steps) {
            try await Worker.run(name: "resting") { try awaitRest(end, follower, stop) }
        }
        Failpoint.afterRest.reach()
        var outcome = Outcome(end: end.position, sequences: nil, views: nil, rest: [], comparedTables: nil, steps: [])
        outcome.rest = try await step(.rest, &steps) {
            try await Worker.run(name: "rest") { try bringRest(plan, journal, stop) }
        }
        outcome.sequences = try await step(.sequences, &steps) {
            if let earlySequences { try await earlySequences.value } else { try await sets() }
        }
        if wishes.refresh == .inside {
            (outcome.views, outcome.staleViews) = try await step(.refreshInside, &steps) {
                try await Worker.run(name: "refreshing") { try refresh { try goOn(stop) } }
            }
        }
        if wishes.compares {
            outcome.comparedTables = try await step(.compare, &steps) {
                try await Worker.run(name: "comparing") { try compare(stop) }
            }
        }
        try await step(.late, &steps) {
            try await Worker.run(name: "late") {
                try source.use { try checkLateChanges(journal, after: position, end, on: $0) }
            }
        }
        try goOn(stop)
        if journal.late != nil {
            // After this no change may be applied; a switchover that fails later has them dropped again.
            outcome.remarks = try await step(.lateDefinitions, &steps) {
                try await Worker.run(name: "late") { try LateDefinitions.make(options, logger) }
            }
        }
        if wishes.keepsWayBack {
            try await step(.wayBack, &steps) {
                try await Worker.run(name: "way back") { try WayBack(options, logger: logger).place() }
            }
            try goOn(stop)
        }
        return try await release(outcome, steps, stop)
    }

    /// Gives the target's sequences the source's values. Where the switchover is undone, it does no harm.
    private func setSequences() -> @Sendable () async throws -> Int {
        { [options, logger] in
            try await Worker.run(name: "sequences") { try CloneEnd(options, logger: logger).setSequences() }
        }
    }

    var hook: EventHook { EventHook(options, logger: logger) }

    static let stopped = ProgramFailure(
        .incomplete, "stopped before the switchover was complete, and everything is undone; run it again")

    /// What would make the switchover fail later is found before anything is done.
    private func check(_ journal: CloneJournal) throws {
        var check = try SwitchoverCheck(options, wishes, journal)
        try check.look()
        if let failure = check.findings.first(where: { $0.status == .fail }) {
            throw ProgramFailure(failure.exitStatus, failure.sentence)
        }
        for finding in check.findings where finding.status == .warn { logger.warning("\(finding.sentence)") }
    }

    /// Nothing has been changed yet when this gives up.
    private func awaitLag(_ follower: SwitchoverFollower, _ stop: StopRequest) throws {
        let limit = wishes.maxLag ?? SwitchoverOptions.standardLimit
        let probe = try LagProbe(options)
        let patience = Deadline.after(milliseconds: wishes.lagPatienceSeconds * 1_000)
        var spoken = Deadline.now
        while true {
            try follower.look()
            let lag = try probe.look()
            if lag.isWithin(limit) { return logger.info("the target is behind by \(lag.words)") }
            guard !stop.isRequested else { throw Self.stopped }
            // Where nobody followed, the application may be stopped already, and giving up would help nobody.
            guard !patience.hasPassed || follower.isOurs && wishes.maxLag == nil else {
                throw ProgramFailure(
                    .lagging,
                    "the target is behind by \(lag.words), and the limit is \(limit.words); nothing was changed. Try again "
                        + "later, or name another limit with --max-lag")
            }
            if spoken.hasPassed {
                logger.info("the target is behind by \(lag.words); waiting for \(limit.words)")
                spoken = .after(milliseconds: 5_000)
            }
            _ = Polling.wait(stop.descriptor, until: .after(milliseconds: 250))
        }
    }

    /// - Returns: how many views were refreshed, and the names of those that could not be.
    private func refresh(_ isStopped: () throws -> Void) throws -> (refreshed: Int, stale: [String]) {
        let views = try MaterializedViews(
            on: try TargetDatabase(options.target).connection, unfilled: viewsToFill())
        let stale = try views.refresh(on: options.target, logger, isStopped: isStopped)
        return (views.views.count - stale.count, stale)
    }

    /// - Returns: how many tables there are, all of them equal.
    private func compare(_ stop: StopRequest) throws -> Int {
        let results = try DataComparison(options.comparison()).run(isFollowed: false, stop: stop) { _ in }
        let differing = results.filter { $0.state != .equal }
        for result in differing {
            logger.error(
                "\(result.table): \(result.state.rawValue)",
                metadata: ["source": "\(result.sourceRows) rows", "target": "\(result.targetRows) rows"])
        }
        guard differing.isEmpty else {
            throw ProgramFailure(
                .failure,
                "\(differing.count) of \(results.count) tables differ, so the switchover is not made; clone compare data names "
                    + "rows. What cannot be followed (clone check) may differ: without --compare it is not looked at")
        }
        return results.count
    }

    func step<Result: Sendable>(
        _ kind: SwitchoverStep, _ steps: inout [CloneJournal.Step], _ body: () async throws -> Result
    ) async throws -> Result {
        progress.begin(kind.rawValue)
        let begun = Deadline.now
        let result = try await body()
        let milliseconds = (Deadline.now.nanoseconds - begun.nanoseconds) / 1_000_000
        steps.append(.init(name: kind.rawValue, seconds: Double(milliseconds) / 1000))
        return result
    }

    /// The journal of a migration that can be switched over.
    func journal() throws -> CloneJournal {
        guard let journal = try CloneJournal.read(spool) else {
            throw ProgramFailure(
                .inputOutput, "\(options.spool) holds no journal of a clone; name its folder with --dir")
        }
        guard journal.phase == .following, journal.slot == options.slot, journal.stream == options.stream else {
            throw ProgramFailure(
                .conflict,
                "there is nothing to switch: the migration in \(options.spool) with slot \"\(journal.slot)\" is "
                    + "\(journal.phase.rawValue)")
        }
        if journal.isEnding == true {
            throw ProgramFailure(
                .conflict,
                "there is nothing to switch: the migration in \(options.spool) has reached its end position; run clone "
                    + "cleanup")
        }
        // The target may be in use: its sequences must not be put back.
        if let end = journal.switchedAt {
            throw ProgramFailure(
                .conflict, "the migration in \(options.spool) was switched over at \(end) already; run clone cleanup")
        }
        return journal
    }
}
