import Comparison
import Supervision
import Apply
import Capture
import Copying
import Glibc
import Logging
import Observability
import Postgres
import Spool
import Synchronization
import Threading

/// A program of the user's that is told what happens in a migration, so that it can do its part: pause a pooler, send a
/// message, change a name.
public struct EventHook: Sendable {
    /// What happened, or is about to.
    public enum Event: String, Sendable, CaseIterable {
        /// The copy is complete.
        case copied
        /// The target is less than 16 MB behind, for the first time.
        case caughtUp = "caught-up"
        /// The target refuses a change; the source's changes are still received.
        case blocked
        /// Changes are applied again.
        case unblocked
        /// The slot keeps more WAL on the source than `--wal-warning`.
        case slotWarning = "slot-warning"
        /// A stage died, and is started again.
        case stageDied = "stage-died"
        /// Definitions changed on one side alone.
        case definitionsChanged = "definitions-changed"
        /// The source is about to be made read-only. The switchover waits for the program, and is not made if it fails.
        case beforeFence = "before-fence"
        /// The source is read-only.
        case fenced
        /// The target has everything up to the end position.
        case drained
        /// Everything is proved: applications may use the target. The switchover waits for the program, and is undone if
        /// it fails.
        case released
        /// The switchover is made.
        case switched
        /// The program failed that made the copy, followed, or switched over.
        case failed
        /// A switchover that failed is undone: the source can be written to.
        case undone
    }

    /// The command, for a shell; nil for none.
    private let command: String?
    private let facts: [String: String]
    private let logger: Logger

    init(_ options: CloneOptions, logger: Logger) {
        command = options.eventCommand
        facts = [
            "dir": options.spool, "slot": options.slot, "source": options.source.redacted,
            "target": options.target.redacted,
        ]
        self.logger = logger
    }

    /// Runs the program, and waits for it.
    ///
    /// - Parameter more: facts beside those that every event has.
    /// - Throws: ``ProgramFailure`` when the program fails.
    func fire(_ event: Event, _ more: [String: String] = [:]) async throws {
        guard let command else { return }
        var all = facts.merging(more) { _, new in new }
        all["event"] = event.rawValue
        all["time"] = Timestamp.now.description
        let json =
            "{"
            + all.sorted { $0.key < $1.key }.map { "\(JSONText.string($0.key)):\(JSONText.string($0.value))" }
            .joined(separator: ",") + "}\n"
        var environment: [String: String?] = [:]
        for (name, value) in all where !value.utf8.contains(0) {
            // The two servers' variables hold secrets for our own programs.
            let isServer = ["source", "target"].contains(name)
            environment["WALRELAY_" + name.uppercased()] = .some(isServer ? nil : value)
        }
        logger.info("event \(event.rawValue): running \(command)")
        var child = ChildProcess.shell(command)
        child.environment = ChildProcess.environment(environment)
        let ending = try await run(child, json)
        guard ending.code == 0 else {
            throw ProgramFailure(
                .failure,
                "the program for event \(event.rawValue) (--on-event \(command)) ended with \(ending.words)")
        }
    }

    /// Runs the program on a thread that waits for it. A task that is cancelled ends it.
    private func run(_ child: ChildProcess, _ json: String) async throws -> ChildProcess.Ending {
        let running = Running()
        return try await withTaskCancellationHandler {
            try await Worker.run(name: "event") {
                var child = child
                let input = try input(json)
                defer { close(input) }
                child.input = input
                let pid: pid_t
                do throws(ChildError) { pid = try child.start() } catch {
                    throw ProgramFailure(.failure, "the program for events cannot be started: \(error)")
                }
                ChildProcesses.all.add(pid, isGroup: true)
                running.begin(pid)
                return ChildProcess.wait(for: pid) {
                    running.end()
                    ChildProcesses.all.remove(pid)
                }
            }
        } onCancel: {
            running.cancel()
        }
    }

    /// The process of a program, as long as it runs.
    private final class Running: Sendable {
        private let state = Mutex<(pid: pid_t?, isCancelled: Bool)>((nil, false))

        func begin(_ pid: pid_t) {
            let isCancelled = state.withLock { state in
                state.pid = pid
                return state.isCancelled
            }
            if isCancelled { cancel() }
        }

        func end() { state.withLock { $0.pid = nil } }

        func cancel() {
            state.withLock { state in
                state.isCancelled = true
                if let pid = state.pid { kill(-pid, SIGKILL) }
            }
        }
    }

    /// The facts as a file that has no name any more: through a pipe, a program that ends without reading them would be a
    /// failure.
    private func input(_ json: String) throws -> Int32 {
        let path = SpoolDirectory(facts["dir"] ?? ".").statePath + "/event.\(UInt32.random(in: .min ... .max)).json"
        guard StatusFile(path).replace(Array(json.utf8)) else {
            throw ProgramFailure(.inputOutput, "\(path) cannot be written: \(String(cString: strerror(errno)))")
        }
        defer { unlink(path) }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw ProgramFailure(.inputOutput, "\(path) cannot be read: \(String(cString: strerror(errno)))")
        }
        return descriptor
    }

    /// The same where nothing depends on it: a failure is said, and passed over.
    func tell(_ event: Event, _ more: [String: String] = [:]) async {
        do {
            try await fire(event, more)
        } catch {
            logger.warning("\(error)")
        }
    }
}

/// Events of which nothing waits for the program: it is run beside what goes on, for one after the other.
final class EventLine: Sendable {
    private let last = Mutex<Task<Void, Never>?>(nil)

    /// Tells of an event once those before it were told of.
    func tell(_ hook: EventHook, _ event: EventHook.Event, _ more: [String: String] = [:]) {
        last.withLock { last in
            let before = last
            last = Task {
                await before?.value
                await hook.tell(event, more)
            }
        }
    }

    /// Waits until all were told of.
    func finish() async { await last.withLock { $0 }?.value }
}

/// Tells the user's program what happens while changes are followed.
struct EventWatch: Sendable {
    let hook: EventHook
    let progress: CloneProgress
    let spool: SpoolDirectory

    /// What was told already.
    private struct Told {
        var isCaughtUp = false
        var isBlocked = false
        var isWarned = false
        var restarts = 0
        var definitions: [String] = []
    }

    /// Looks each second, until the task is cancelled.
    func run() async {
        var told = Told()
        while !Task.isCancelled {
            if let status = try? MigrationStatus(spool, live: progress.snapshot) { await tell(status, &told) }
            try? await Task.sleep(for: .seconds(1))
        }
    }

    private func tell(_ status: MigrationStatus, _ told: inout Told) async {
        if !told.isCaughtUp, let lag = status.lagBytes, lag <= SwitchoverOptions.caughtUpBytes,
            status.replay?.isRunning == true
        {
            told.isCaughtUp = true
            await hook.tell(.caughtUp, ["lag_bytes": "\(lag)"])
        }
        if let blocked = status.progress?.blocked, !told.isBlocked {
            told.isBlocked = true
            await hook.tell(
                .blocked, ["message": blocked.words, "code": "\(blocked.code)", "report": blocked.report ?? ""])
        } else if status.progress?.blocked == nil, told.isBlocked {
            told.isBlocked = false
            await hook.tell(.unblocked)
        }
        if let kept = status.receive?.retainedBytes, let limit = status.progress?.walWarningBytes {
            // Also where the source keeps less than the user has room for.
            let limit = min(limit, status.receive?.safeBytes.map { kept / 2 + $0 / 2 } ?? limit)
            if kept >= limit && !told.isWarned {
                told.isWarned = true
                await hook.tell(.slotWarning, ["retained_bytes": "\(kept)"])
            } else if kept < limit / 10 * 8 {
                told.isWarned = false
            }
        }
        let stages = status.progress?.stages ?? []
        let restarts = stages.reduce(0) { $0 + $1.restarts }
        if restarts > told.restarts {
            let ends = stages.compactMap { stage in stage.lastEnd.map { (stage.lastEndAt ?? "", $0) } }
            await hook.tell(.stageDied, ["message": ends.max { $0.0 < $1.0 }?.1 ?? ""])
        }
        told.restarts = restarts
        let definitions = (status.drift?.items ?? []).filter { !$0.isHarmless }.map(\.sentence)
        if !definitions.isEmpty && definitions != told.definitions {
            await hook.tell(.definitionsChanged, ["message": definitions.joined(separator: "; ")])
        }
        told.definitions = definitions
    }
}
