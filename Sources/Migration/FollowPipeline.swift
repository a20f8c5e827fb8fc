import Glibc
import Logging
import Postgres
import Subprocess
import SystemPackage
import Threading

/// Runs the three stages side by side: `receive` into the spool, `transform` behind it, `replay` into the target.
public struct FollowPipeline: Sendable {
    /// What to run.
    public struct Options: Sendable {
        /// The source server.
        public var source: ConnectionString
        /// The target server.
        public var target: ConnectionString
        /// The spool's folder.
        public var spool: String
        /// The slot on the source.
        public var slot: String
        /// The publications on the source.
        public var publications: [String]
        /// The replication origin on the target.
        public var origin: String
        /// Where to end: an LSN or `current`; nil for never.
        public var end: String?

        /// Options without an end.
        public init(
            source: ConnectionString, target: ConnectionString, spool: String, slot: String, publications: [String],
            origin: String
        ) {
            self.source = source
            self.target = target
            self.spool = spool
            self.slot = slot
            self.publications = publications
            self.origin = origin
        }
    }

    /// How the pipeline ended.
    public struct Outcome: Sendable, Equatable {
        /// The stage that failed first, and its exit code; nil if all succeeded.
        public var failed: (stage: String, code: Int32)?

        /// Outcomes are equal when the same stage failed in the same way.
        public static func == (left: Outcome, right: Outcome) -> Bool {
            left.failed?.stage == right.failed?.stage && left.failed?.code == right.failed?.code
        }
    }

    private let options: Options
    private let logger: Logger
    private let folder: FilePath

    /// A pipeline of the programs that lie beside this one.
    ///
    /// - Throws: ``MigrationError`` when the path of this program cannot be read.
    public init(_ options: Options, logger: Logger) throws {
        self.options = options
        self.logger = logger
        folder = try ProgramFolder.path()
    }

    /// Creates the slot unless it exists.
    public func createSlot() async throws -> Outcome {
        let arguments =
            ["--create-slot", "--if-not-exists", "--slot", options.slot]
            + options.publications.flatMap { ["--publication", $0] }
        return try await single("receive", arguments)
    }

    /// Drops the slot if it is there.
    public func dropSlot() async throws -> Outcome {
        try await single("receive", ["--drop-slot", "--if-exists", "--slot", options.slot])
    }

    private func single(_ name: String, _ arguments: [String]) async throws -> Outcome {
        let stage = Stage(
            name: name, arguments: arguments, input: try Self.null(), output: try Self.null())
        let code = try await stage.run(in: folder, environment: environment, registry: StageRegistry())
        return Outcome(failed: code == 0 ? nil : (name, code))
    }

    /// Runs the stages until the end position, a stop request, or the failure of one, which ends the others.
    public func follow(_ stop: StopRequest) async throws -> Outcome {
        let registry = StageRegistry()
        let stages = try stages(from: try await position())
        let watcher = Task {
            while !stop.isRequested && !Task.isCancelled { try? await Task.sleep(for: .milliseconds(50)) }
            if stop.isRequested { registry.stopAll() }
        }
        defer { watcher.cancel() }
        return try await withThrowingTaskGroup(of: (String, Int32).self) { group in
            for stage in stages {
                group.addTask {
                    (stage.name, try await stage.run(in: folder, environment: environment, registry: registry))
                }
            }
            var outcome = Outcome(failed: nil)
            for try await (name, code) in group where code != 0 {
                // The others fail too, for want of input or of a reader: only the first tells the cause.
                if outcome.failed == nil { outcome.failed = (name, code) }
                registry.stopAll()
            }
            return outcome
        }
    }

    private func stages(from position: LSN) throws -> [Stage] {
        let pipe = try FileDescriptor.pipe()
        for end in [pipe.readEnd, pipe.writeEnd] { _ = fcntl(end.rawValue, F_SETFD, FD_CLOEXEC) }
        var receive = ["--dir", options.spool, "--slot", options.slot]
        receive += options.publications.flatMap { ["--publication", $0] }
        if let end = options.end { receive += ["--endpos", end] }
        return [
            Stage(name: "receive", arguments: receive, input: try Self.null(), output: try Self.null()),
            Stage(
                name: "transform",
                arguments: ["--follow", "--origin", options.origin, "--from", "\(position)", options.spool],
                input: try Self.null(), output: pipe.writeEnd),
            Stage(
                name: "replay", arguments: ["--origin", options.origin, "--spool", options.spool], input: pipe.readEnd,
                output: try Self.null()),
        ]
    }

    /// Where the target is: what it has need not be rendered again.
    private func position() async throws -> LSN {
        let options = self.options
        return try await Worker.run(name: "target") {
            try Connection(options.target, applicationName: "walrelay clone")
                .replicationOriginProgress(options.origin) ?? .zero
        }
    }

    /// Forgets the replication origin on the target.
    public func dropOrigin() async throws {
        // The server process of a replay that has just ended may hold the origin for a moment longer.
        let patience = Deadline.after(milliseconds: 5_000)
        while true {
            do {
                return try await tryDropOrigin()
            } catch let error as PostgresError where error.sqlState == .objectInUse && !patience.hasPassed {
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    private func tryDropOrigin() async throws {
        let options = self.options
        try await Worker.run(name: "target") {
            _ = try Connection(options.target, applicationName: "walrelay clone").query(
                """
                SELECT pg_catalog.pg_replication_origin_drop(roname)
                  FROM pg_catalog.pg_replication_origin WHERE roname OPERATOR(pg_catalog.=) $1
                """, [options.origin], doing: "dropping replication origin \"\(options.origin)\"")
        }
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
