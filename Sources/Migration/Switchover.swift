import Capture
import Failpoints
import Glibc
import Logging
import Observability
import Postgres
import Spool
import Threading

/// Brings a followed migration to its end position, and proves it. Until its last step nothing is done that is not undone
/// when it fails, or done again when it is repeated.
public struct Switchover: Sendable {
    let options: CloneOptions
    let wishes: SwitchoverOptions
    let logger: Logger
    private let spool: SpoolDirectory
    /// What the switchover is doing.
    public let progress = CloneProgress()

    /// How a switchover went.
    public struct Outcome: Sendable {
        /// The position up to which the target has everything.
        public var end: LSN
        /// Sequences that stand where the source's do.
        public var sequences: Int
        /// Materialized views that were refreshed.
        public var views: Int
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
    }

    /// Says whether a switchover could be made now, and changes nothing.
    public func check(_ stop: StopRequest) throws -> (findings: [Finding], views: [String]) {
        let journal = try journal()
        var check = try SwitchoverCheck(options, wishes, journal)
        try check.look()
        try check.lookAtLag(isFollowed: CloneJournal.isRunning(spool), stop)
        return (check.findings, check.views.map(\.name))
    }

    /// Waits until little is left, ends the follower, applies everything up to the source's present position, verifies it,
    /// sets the sequences and refreshes what is derived.
    public func run(_ stop: StopRequest) async throws -> Outcome {
        var steps: [CloneJournal.Step] = []
        let journal = try journal()
        do {
            try await Worker.run(name: "checking") { try check(journal) }
        } catch {
            // The application must not stay locked out by one that was killed before.
            try? await Worker.run(name: "fence") { try SourceFence.lowerLeftover(options.source, spool, logger) }
            throw error
        }
        try await step("waiting for the lag", &steps) {
            try await Worker.run(name: "lag") { try awaitLag(stop) }
        }
        let lock = try await step("ending the follower", &steps) {
            try await Worker.run(name: "taking over") { try takeOver(journal.pid, stop) }
        }
        defer { withExtendedLifetime(lock) {} }
        progress.noteLock()
        Failpoint.afterTakeOver.reach()
        guard wishes.fences else { return try await drain(try self.journal(), stop, steps) }
        // Who pauses the application's connections does it here.
        try await step("event before-fence", &steps) { try await hook.fire(.beforeFence) }
        var fence: SourceFence?
        do {
            fence = try await step("making the source read-only", &steps) {
                try await Worker.run(name: "fence") { try SourceFence.raise(options.source, spool, logger) }
            }
            await hook.tell(.fenced)
            return try await drain(try self.journal(), stop, steps)
        } catch {
            // The application can go on where it was.
            if let fence { try? await Worker.run(name: "fence") { fence.lower(logger) } }
            await hook.tell(.undone, ["message": "\(error)"])
            throw error
        }
    }

    /// Applies what the source has by now, verifies it, and sets what no change brings.
    private func drain(
        _ journal: CloneJournal, _ stop: StopRequest, _ before: [CloneJournal.Step]
    ) async throws -> Outcome {
        var steps = before
        let options = self.options
        try await step("waiting for open transactions", &steps) {
            try await Worker.run(name: "in flight") {
                try InFlight(source: SourceFence.connect(options.source))
                    .await(seconds: wishes.inFlightSeconds, stop, logger)
            }
        }
        let (marker, end) = try await Worker.run(name: "source") { try endPosition() }
        logger.info("the end position is \(end)")
        var following = options
        following.end = end.description
        following.publications = journal.publications
        try await step("applying what is left", &steps) { [following] in
            let run = CloneRun(following, progress: progress, logger: logger)
            guard case .done = try await run.follow(journal, stop) else { throw Self.stopped }
            try await Worker.run(name: "verifying") { try verify(marker, end) }
        }
        Failpoint.afterDrain.reach()
        await hook.tell(.drained, ["end": "\(end)"])
        try await step("definitions", &steps) {
            try await Worker.run(name: "drift") { try checkDefinitions(journal) }
        }
        let rest = try await step("the rest", &steps) {
            try await Worker.run(name: "rest") { try bringRest(journal, stop) }
        }
        let sequences = try await step("sequences", &steps) {
            try await Worker.run(name: "sequences") { try CloneEnd(options, logger: logger).setSequences() }
        }
        var outcome = Outcome(end: end, sequences: sequences, views: 0, rest: rest, comparedTables: nil, steps: [])
        if !wishes.skipsRefresh {
            (outcome.views, outcome.staleViews) = try await step("materialized views", &steps) {
                try await Worker.run(name: "refreshing") { try refresh(stop) }
            }
        }
        if wishes.compares {
            outcome.comparedTables = try await step("comparing", &steps) {
                try await Worker.run(name: "comparing") { try compare(stop) }
            }
        }
        try await step("looking for late changes", &steps) {
            try await Worker.run(name: "late") { try checkLateChanges(journal, end) }
        }
        if stop.isRequested { throw Self.stopped }
        if journal.late != nil {
            // After this no change may be applied; a switchover that fails later has them dropped again.
            outcome.remarks = try await step("foreign keys and triggers", &steps) {
                try await Worker.run(name: "late") { try LateDefinitions.make(options, logger) }
            }
        }
        try await step("event released", &steps) { try await hook.fire(.released, ["end": "\(end)"]) }
        outcome.steps = steps
        let made = try await Worker.run(name: "finishing") { [outcome] in
            var journal = try self.journal()
            journal.switchedAt = end
            journal.pid = getpid()
            journal.steps += outcome.steps
            try TargetMark(TargetDatabase(options.target).connection).set(.switched, of: journal.id)
            Failpoint.beforeSwitchIsDone.reach()
            try journal.write(spool)
            Failpoint.afterSwitchIsDone.reach()
            return outcome
        }
        await hook.tell(.switched, ["end": "\(end)"])
        return made
    }

    /// What is done once the application can use the target: foreign keys that came in the switchover look at the rows.
    public func afterwards() throws { try LateDefinitions.validate(options, logger) }

    private var hook: EventHook { EventHook(options, logger: logger) }

    private static let stopped = MigrationError(
        .incomplete, "stopped before the switchover was complete; run it again, or clone --follow to go on following")

    /// What would make the switchover fail later is found before anything is done.
    private func check(_ journal: CloneJournal) throws {
        var check = try SwitchoverCheck(options, wishes, journal)
        try check.look()
        if let failure = check.findings.first(where: { $0.status == .fail }) {
            throw MigrationError(failure.exitStatus, failure.sentence)
        }
        for finding in check.findings where finding.status == .warn { logger.warning("\(finding.sentence)") }
    }

    /// Nothing has been changed yet when this gives up.
    private func awaitLag(_ stop: StopRequest) throws {
        let isFollowed = CloneJournal.isRunning(spool)
        guard isFollowed || wishes.maxLag != nil else {
            return logger.warning("no clone follows: all that is missing is received and applied now")
        }
        let limit = wishes.maxLag ?? SwitchoverOptions.standardLimit
        let probe = try LagProbe(options)
        let patience = Deadline.after(milliseconds: wishes.lagPatienceSeconds * 1_000)
        var spoken = Deadline.now
        while true {
            let lag = try probe.look()
            if lag.isWithin(limit) { return logger.info("the target is behind by \(lag.words)") }
            guard !stop.isRequested else { throw Self.stopped }
            guard isFollowed, !patience.hasPassed, CloneJournal.isRunning(spool) else {
                throw MigrationError(
                    .lagging,
                    "the target is behind by \(lag.words), and the limit is \(limit.words); nothing was changed. "
                        + (patience.hasPassed
                            ? "Try again later, or name another limit with --max-lag"
                            : "No clone follows: start clone --follow, and try again"))
            }
            if spoken.hasPassed {
                logger.info("the target is behind by \(lag.words); waiting for \(limit.words)")
                spoken = .after(milliseconds: 5_000)
            }
            _ = Polling.wait(stop.descriptor, until: .after(milliseconds: 250))
        }
    }

    private func refresh(_ stop: StopRequest) throws -> (refreshed: Int, stale: [String]) {
        let views = try MaterializedViews(
            on: try TargetDatabase(options.target).connection, unfilled: journal().unfilledViews ?? [])
        let stale = try views.refresh(options, logger) { if stop.isRequested { throw Self.stopped } }
        return (views.views.count - stale.count, stale)
    }

    /// - Returns: how many tables there are, all of them equal.
    private func compare(_ stop: StopRequest) throws -> Int {
        let results = try DataComparison(options).run(isFollowed: false, stop: stop) { _ in }
        let differing = results.filter { $0.state != .equal }
        for result in differing {
            logger.error(
                "\(result.table): \(result.state.rawValue)",
                metadata: ["source": "\(result.sourceRows) rows", "target": "\(result.targetRows) rows"])
        }
        guard differing.isEmpty else {
            throw MigrationError(
                .failure,
                "\(differing.count) of \(results.count) tables differ, so the switchover is not made; clone compare data names "
                    + "rows. What cannot be followed (clone check) may differ: without --compare it is not looked at")
        }
        return results.count
    }

    private func step<Result: Sendable>(
        _ name: String, _ steps: inout [CloneJournal.Step], _ body: () async throws -> Result
    ) async throws -> Result {
        progress.begin(name)
        let begun = Deadline.now
        let result = try await body()
        let milliseconds = (Deadline.now.nanoseconds - begun.nanoseconds) / 1_000_000
        steps.append(.init(name: name, seconds: Double(milliseconds) / 1000))
        return result
    }

    private func journal() throws -> CloneJournal {
        guard let journal = try CloneJournal.read(spool) else {
            throw MigrationError(
                .inputOutput, "\(options.spool) holds no journal of a clone; name its folder with --dir")
        }
        guard journal.phase == .following, journal.slot == options.slot, journal.stream == options.stream else {
            throw MigrationError(
                .conflict,
                "there is nothing to switch: the migration in \(options.spool) with slot \"\(journal.slot)\" is "
                    + "\(journal.phase.rawValue)")
        }
        if journal.isEnding == true {
            throw MigrationError(
                .conflict,
                "there is nothing to switch: the migration in \(options.spool) has reached its end position; run clone "
                    + "cleanup")
        }
        // The target may be in use: its sequences must not be put back.
        if let end = journal.switchedAt {
            throw MigrationError(
                .conflict, "the migration in \(options.spool) was switched over at \(end) already; run clone cleanup")
        }
        return journal
    }

    /// Has a clone that follows end in good order, and takes its place.
    private func takeOver(_ pid: pid_t, _ stop: StopRequest) throws -> SpoolLock {
        let patience = Deadline.after(milliseconds: 60_000)
        var isAsked = false
        while true {
            do throws(SpoolError) {
                return try spool.lockForClone()
            } catch {
                guard error.code == .locked, !patience.hasPassed, !stop.isRequested else { throw error }
            }
            // While the lock is held, the number is that of its holder.
            if !isAsked { kill(pid, SIGTERM) }
            isAsked = true
            _ = Polling.wait(stop.descriptor, until: .after(milliseconds: 100))
        }
    }

    /// A transaction of ours is the last that the target must have: when its position is past that, it has all before.
    private func endPosition() throws -> (marker: LSN, end: LSN) {
        let source = try Connection(options.source, applicationName: TargetDatabase.applicationName)
        let writers = try OtherSessions(source: source).list().count
        if writers > 0 {
            logger.warning("\(writers) other sessions are connected to the source; what they write from now on is lost")
        }
        let doing = "taking the end position"
        let marker = try source.execute(
            "SELECT pg_catalog.pg_logical_emit_message(true, 'walrelay', 'switchover')", doing: doing)
        let end = try source.currentPosition(doing: doing)
        // A crash must not take back what the end is to be behind.
        try source.makeCommitsDurable()
        guard let marker = marker.text(0, 0).flatMap({ LSN($0) }) else {
            throw PostgresError(.unexpectedAnswer, "the answer cannot be read", doing: doing)
        }
        return (marker, end)
    }

    private func verify(_ marker: LSN, _ end: LSN) throws {
        let target = try TargetDatabase(options.target)
        let position = try target.connection.durablePosition(options.stream) ?? .zero
        guard position >= marker else {
            throw MigrationError(
                .incomplete, "the target is at \(position), before the last transaction up to \(end)")
        }
    }
}
