import Glibc
import Logging
import Postgres
import Subprocess
import SystemPackage
import Threading

/// Runs the three stages side by side: `receive` into the spool, `transform` behind it, `replay` into the target.
public struct FollowPipeline: Sendable {
    /// How the pipeline ended.
    public struct Outcome: Sendable, Equatable {
        /// The stage that failed first, and its exit code; nil if all succeeded.
        public var failed: (stage: String, code: Int32)?

        /// Outcomes are equal when the same stage failed in the same way.
        public static func == (left: Outcome, right: Outcome) -> Bool {
            left.failed?.stage == right.failed?.stage && left.failed?.code == right.failed?.code
        }
    }

    private let options: CloneOptions
    private let logger: Logger
    private let folder: FilePath

    /// A pipeline of the programs that lie beside this one.
    ///
    /// - Throws: ``MigrationError`` when the path of this program cannot be read.
    public init(_ options: CloneOptions, logger: Logger) throws {
        self.options = options
        self.logger = logger
        folder = try ProgramFolder.path()
    }

    /// Runs the stages until the end position, a stop request, or the failure of one, which ends the others.
    ///
    /// - Parameters:
    ///   - isReady: has one element once `receive` can be started.
    ///   - onFailure: called when `receive` has failed, so that the preparation need not be waited for.
    ///   - prepare: what must be done before changes may reach the target; `receive` runs meanwhile.
    public func follow(
        _ stop: StopRequest, isReady: AsyncStream<Void>, onFailure: @escaping @Sendable () -> Void,
        prepare: @escaping @Sendable () async throws -> Void
    ) async throws -> Outcome {
        let registry = StageRegistry()
        let watcher = Task {
            while !stop.isRequested && !Task.isCancelled { try? await Task.sleep(for: .milliseconds(50)) }
            if stop.isRequested { registry.stopAll() }
        }
        defer { watcher.cancel() }
        return try await withThrowingTaskGroup(of: Outcome.self) { group in
            group.addTask {
                for await _ in isReady {
                    let outcome = try await run([receive()], registry)
                    if outcome.failed != nil { onFailure() }
                    return outcome
                }
                return Outcome(failed: nil)
            }
            group.addTask {
                do {
                    try await prepare()
                    if registry.isStopping { return Outcome(failed: nil) }
                    return try await run(try appliers(from: try await position()), registry)
                } catch {
                    registry.stopAll()
                    throw error
                }
            }
            return try await first(of: &group, registry)
        }
    }

    /// The failure that came first; the others fail too, for want of input or of a reader.
    private func first(
        of group: inout ThrowingTaskGroup<Outcome, any Error>, _ registry: StageRegistry
    ) async throws -> Outcome {
        var outcome = Outcome(failed: nil)
        var failure: (any Error)?
        while true {
            do {
                guard let next = try await group.next() else { break }
                guard next.failed != nil else { continue }
                if outcome.failed == nil && failure == nil { outcome = next }
            } catch {
                if outcome.failed == nil && failure == nil { failure = error }
            }
            registry.stopAll()
        }
        if let failure { throw failure }
        if let first = registry.firstFailure, outcome.failed != nil { outcome.failed = first }
        return outcome
    }

    /// Runs stages side by side to their ends.
    private func run(_ stages: [Stage], _ registry: StageRegistry) async throws -> Outcome {
        try await withThrowingTaskGroup(of: (String, Int32).self) { group in
            for stage in stages {
                group.addTask {
                    (stage.name, try await stage.run(in: folder, environment: environment, registry: registry))
                }
            }
            var outcome = Outcome(failed: nil)
            for try await (name, code) in group where code != 0 {
                registry.noteFailure(name, code)
                if outcome.failed == nil { outcome.failed = (name, code) }
                registry.stopAll()
            }
            return outcome
        }
    }

    private func receive() throws -> Stage {
        var arguments = ["--dir", options.spool, "--slot", options.slot]
        arguments += options.publications.flatMap { ["--publication", $0] }
        if let end = options.end { arguments += ["--endpos", end] }
        return Stage(name: "receive", arguments: arguments, input: try Self.null(), output: try Self.null())
    }

    private func appliers(from position: LSN) throws -> [Stage] {
        let pipe = try FileDescriptor.pipe()
        for end in [pipe.readEnd, pipe.writeEnd] { _ = fcntl(end.rawValue, F_SETFD, FD_CLOEXEC) }
        // An end record may be that of an earlier run, behind which receive is about to go on.
        let end: [String] =
            switch options.end {
            case nil: ["--endless"]
            case "current": []
            case .some(let position): ["--to", position]
            }
        return [
            Stage(
                name: "transform",
                arguments: ["--follow", "--origin", options.origin, "--from", "\(position)"] + end
                    + options.filterArguments + [options.spool],
                input: try Self.null(), output: pipe.writeEnd),
            Stage(
                name: "replay",
                arguments: ["--origin", options.origin, "--spool", options.spool] + options.filterArguments,
                input: pipe.readEnd, output: try Self.null()),
        ]
    }

    /// Where the target is: what it has need not be rendered again.
    private func position() async throws -> LSN {
        let options = self.options
        return try await Worker.run(name: "target") { try TargetDatabase.settledPosition(options) }
    }

    private var environment: [Environment.Key: String?] {
        [
            "WALRELAY_SOURCE": options.source.secret, "WALRELAY_TARGET": options.target.secret,
            "WALRELAY_PARENT_PID": String(getpid()),
        ]
    }

    private static func null() throws -> FileDescriptor {
        try FileDescriptor.open("/dev/null", .readWrite, options: .closeOnExec)
    }
}
