import Catalog
import Glibc
import Logging
import Observability
import Postgres
import Threading

/// Runs the three stages side by side: `receive` into the spool, `transform` behind it, `replay` into the target.
package struct FollowPipeline: Sendable {
    /// What the programs are told.
    package struct Options: Sendable {
        /// The servers.
        package var servers: ServerPair
        /// The spool's folder.
        package var spool: String
        /// The slot on the source.
        package var slot: String
        /// The publications that the user named.
        package var publications: [String] = []
        /// The name of the target's position.
        package var stream: String
        /// Where to end: an LSN or `current`; nil for never.
        package var end: String?
        /// Free bytes of the disk below which nothing is received; nil for `receive`'s default.
        package var minFree: UInt64?
        /// What `receive` is told of how much of the log stays.
        package var retention: [String] = []
        /// How many connections apply the changes.
        package var applyJobs = 1
        /// The file that says what is moved; nil for everything.
        package var filterFile: String?
        /// What would act on the changes is not on the target yet.
        package var leavesTriggersLate = false
        /// How often in a row a stage that died is started again.
        package var restartsMax = 10
        /// Ends when the target refuses a change, instead of continuing to receive.
        package var stopsWhenBlocked = false

        /// Options with their defaults.
        package init(servers: ServerPair, spool: String, slot: String, stream: String) {
            self.servers = servers
            self.spool = spool
            self.slot = slot
            self.stream = stream
        }
    }

    /// Where applying begins, and how far away the target is.
    package typealias Start = (position: LSN, roundTrip: Duration)

    private let options: Options
    private let observer: any StageObserver
    private let logger: Logger
    private let folder: String
    private let start: @Sendable () throws -> Start

    /// A pipeline of the programs that lie beside this one.
    ///
    /// - Parameter start: says where the target is, each time that applying is begun; blocks.
    /// - Throws: ``ProgramFailure`` when the path of this program cannot be read.
    package init(
        _ options: Options, observer: any StageObserver, logger: Logger, start: @escaping @Sendable () throws -> Start
    ) throws {
        self.options = options
        self.observer = observer
        self.logger = logger
        self.start = start
        folder = try ProgramFolder.path()
    }

    /// Runs the stages until the end position, a stop request, or a failure that no restart fixes, which ends all.
    ///
    /// - Parameters:
    ///   - isReady: has one element once `receive` can be started.
    ///   - onFailure: called when `receive` has failed, so that the preparation need not be waited for.
    ///   - prepare: what must be done before changes may reach the target; `receive` runs meanwhile.
    /// - Returns: the stage that failed first; nil if none did.
    package func follow(
        _ stop: StopRequest, isReady: AsyncStream<Void>, onFailure: @escaping @Sendable () -> Void,
        prepare: @escaping @Sendable () async throws -> Void
    ) async throws -> StageFailure? {
        let registry = StageRegistry()
        let watcher = Task {
            await stop.awaitRequest()
            if stop.isRequested { registry.stopAll() }
        }
        defer { watcher.cancel() }
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    for await _ in isReady {
                        try await keepRunning(registry) { [try receive()] }
                        if registry.firstFailure != nil { onFailure() }
                        return
                    }
                }
                group.addTask {
                    try await abandoning(registry, prepare)
                    if registry.isStopping { return }
                    // Up to an end position there is nothing to continue with.
                    let blocks = options.end == nil && !options.stopsWhenBlocked
                    try await keepRunning(registry, blocks: blocks) {
                        try appliers(at: try await Worker.run(name: "target", start))
                    }
                }
                try await group.waitForAll()
            }
        } catch  where registry.firstFailure != nil {
            // What was thrown came of it.
        }
        return registry.firstFailure
    }

    /// Runs stages side by side, again and again as long as that can fix how they end.
    private func keepRunning(
        _ registry: StageRegistry, blocks: Bool = false, _ stages: @escaping @Sendable () async throws -> [Stage]
    ) async throws {
        var policy = RestartPolicy(restartsMax: options.restartsMax)
        while true {
            let begun = Deadline.now
            let steady = blocks ? Task { try await settle() } : nil
            let failure = try await abandoning(registry) { try await run(stages, registry) }
            steady?.cancel()
            guard let failure else { return }
            let seconds = Double(Deadline.now.nanoseconds - begun.nanoseconds) / 1_000_000_000
            if registry.isStopping {
                if failure.code != 0 && !failure.isStop { registry.fail(failure) }
                return
            }
            guard failure.isTransient, let pause = policy.pause(afterRunning: seconds) else {
                if failure.isTransient && policy.restartsMax > 0 {
                    logger.error("\(failure.words); \(policy.restartsMax) restarts in a row did not help")
                }
                guard blocks, failure.isBlock else { return registry.fail(failure) }
                try await waitForRetry(failure, registry)
                if registry.isStopping { return }
                policy = RestartPolicy(restartsMax: options.restartsMax)
                continue
            }
            observer.noteRestart(after: failure)
            logger.warning(
                "\(failure.words); starting again in \(Figures.tenths(Double(pause) / 1000)) s",
                metadata: ["restart": "\(policy.restartsInARow) of \(policy.restartsMax)"])
            let end = Deadline.after(milliseconds: pause)
            while !end.hasPassed && !registry.isStopping { try await Task.sleep(for: .milliseconds(50)) }
            if registry.isStopping { return }
        }
    }

    /// What runs for a while without ending is blocked no more.
    private func settle() async throws {
        try await Task.sleep(for: .seconds(5))
        if observer.noteUnblocked() { logger.info("changes are applied again") }
    }

    /// Waits until someone asks to try again, or some time has passed. What is received meanwhile waits in the log.
    private func waitForRetry(_ failure: StageFailure, _ registry: StageRegistry) async throws {
        let report = RetryRequest.newestReport(options.spool)
        observer.noteBlocked(by: failure, report: report)
        logger.error(
            """
            applying is blocked: \(failure.words); its message is above. Nothing is lost: changes are still received. Do \
            what the message says, then run: clone retry --dir \(ShellWord.quoted(options.spool))
            """, metadata: report.map { ["report": "\($0)"] } ?? [:])
        RetryRequest.clear(options.spool)
        let end = Deadline.after(milliseconds: RetryRequest.intervalMilliseconds)
        while !end.hasPassed && !registry.isStopping && !RetryRequest.clear(options.spool) {
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    /// Does what is no stage of the pipeline: its error ends everything, and what the stages say then is not the cause.
    private func abandoning<Result: Sendable>(
        _ registry: StageRegistry, _ body: () async throws -> Result
    ) async throws -> Result {
        do {
            return try await body()
        } catch {
            registry.abandon()
            throw error
        }
    }

    /// Runs stages side by side to their ends: when one fails, the others are of no use.
    ///
    /// - Returns: the one that failed by itself.
    private func run(
        _ make: @Sendable () async throws -> [Stage], _ registry: StageRegistry
    ) async throws -> StageFailure? {
        let stages: [Stage]
        do {
            stages = try await make()
        } catch let error as any ExitStatusError where error.exitStatus == .positionBusy {
            logger.warning("\(error)")
            return StageFailure(stage: "replay", code: error.exitStatus.rawValue)
        } catch let error as PostgresError where error.code == .cannotConnect || error.code == .connectionLost {
            logger.warning("\(error)")
            return StageFailure(stage: "replay", code: ExitStatus.connection.rawValue)
        }
        let number = registry.group()
        let isEndless = options.end == nil
        return try await withThrowingTaskGroup(of: StageFailure.self) { group in
            for stage in stages {
                group.addTask {
                    try await stage.run(in: folder, environment: environment, registry: registry, group: number) {
                        observer.noteStart(stage.name, pid: $0)
                    }
                }
            }
            var ends: [StageFailure] = []
            for try await end in group {
                observer.noteEnd(end.stage)
                ends.append(end)
                if end.code != 0 || isEndless { registry.stop(group: number) }
            }
            return StageFailure.cause(of: ends, isEndless: isEndless && !registry.isStopping)
        }
    }

    private func receive() throws -> Stage {
        var arguments = ["--dir", options.spool, "--slot", options.slot]
        arguments += options.publications.flatMap { ["--publication", $0] }
        if let end = options.end { arguments += ["--endpos", end] }
        if let minFree = options.minFree { arguments += ["--min-free", "\(minFree)"] }
        if !options.retention.isEmpty { arguments += options.retention + ["--origin", options.stream] }
        return Stage(name: "receive", arguments: arguments, input: try Self.null(), output: try Self.null())
    }

    /// What `transform` is told about the size of batches. Each costs the target some waiting for a round trip or two; on
    /// a long way there are to be fewer of them. The memory that it takes grows, too.
    static func batchSize(roundTrip: Duration) -> [String] {
        roundTrip < .milliseconds(5) ? [] : ["--max-bytes", "32MB"]
    }

    private func appliers(at target: Start) throws -> [Stage] {
        let null = try Self.null()
        let secondNull = try Self.null()
        let pipe = try Self.pipe()
        // An end record may be that of an earlier run, behind which receive is about to continue.
        let end: [String] =
            switch options.end {
            case nil: ["--endless"]
            case "current": []
            case .some(let position): ["--to", position]
            }
        let jobs = options.applyJobs
        let filters = options.filterFile.map { ["--filters", $0] } ?? []
        return [
            Stage(
                name: "transform",
                arguments: ["--follow", "--origin", options.stream, "--from", "\(target.position)"] + end
                    + Self.batchSize(roundTrip: target.roundTrip) + (jobs > 1 ? ["--lanes", "\(jobs)"] : [])
                    + filters + [options.spool],
                input: null, output: pipe.write),
            Stage(
                name: "replay",
                arguments: ["--origin", options.stream, "--spool", options.spool] + filters
                    + (options.leavesTriggersLate ? ["--no-replica-role"] : [])
                    + (options.end == nil ? [] : ["--until-end"]) + (jobs > 1 ? ["--jobs", "\(jobs)"] : []),
                input: pipe.read, output: secondNull),
        ]
    }

    private var environment: [String: String?] {
        [
            "WALRELAY_SOURCE": options.servers.source.secret, "WALRELAY_TARGET": options.servers.target.secret,
            "WALRELAY_SOURCE_PASSWORD_COMMAND": options.servers.source.passwordCommand?.text,
            "WALRELAY_TARGET_PASSWORD_COMMAND": options.servers.target.passwordCommand?.text,
            ChildLifeline.parentVariable: String(getpid()),
        ]
    }

    private static func null() throws -> Int32 {
        let descriptor = open("/dev/null", O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("/dev/null cannot be opened") }
        return descriptor
    }

    private static func pipe() throws -> (read: Int32, write: Int32) {
        var ends: [Int32] = [-1, -1]
        guard Glibc.pipe(&ends) == 0 else { throw failure("no pipe can be made") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }

    private static func failure(_ what: String) -> ProgramFailure {
        ProgramFailure(.failure, "\(what): \(String(cString: strerror(errno)))")
    }
}
