import Glibc
import Observability
import Postgres
import Spool
import Synchronization
import Threading

/// What a copy is doing at this moment; shared by the threads that do it and the one that reports it.
public final class CloneProgress: Sendable {
    /// A moment's state; the contents of `state/clone-progress.json`.
    public struct Snapshot: Codable, Sendable, Equatable {
        /// The step that is being done.
        public var step = ""
        /// Tables to copy.
        public var tables = 0
        /// Tables that are copied.
        public var tablesDone = 0
        /// Bytes that the tables to copy take on the source's disk.
        public var sizeOnSource = 0
        /// The same of those that are copied.
        public var sizeDone = 0
        /// Bytes copied, in COPY's text form.
        public var bytes = 0
        /// Tables that are being copied.
        public var current: [String] = []
        /// The stages that were started.
        public var stages: [StageState] = []

        enum CodingKeys: String, CodingKey {
            case step, tables, bytes, current, stages
            case tablesDone = "tables_done"
            case sizeOnSource = "size_on_source"
            case sizeDone = "size_done"
        }
    }

    private let state = Mutex(Snapshot())

    /// Nothing is done yet.
    public init() {}

    /// The present state.
    public var snapshot: Snapshot { state.withLock { $0 } }

    func begin(_ step: String) {
        state.withLock { $0.step = step }
    }

    func plan(_ tables: [CopiedTable]) {
        state.withLock { state in
            state.tables = tables.count
            state.sizeOnSource = tables.reduce(0) { $0 + $1.size }
        }
    }

    func begin(_ part: CopyPart) {
        state.withLock { $0.current.append(part.name) }
    }

    func add(bytes: Int) {
        state.withLock { $0.bytes += bytes }
    }

    /// - Parameter isLast: the whole table is copied now.
    func finish(_ part: CopyPart, isLast: Bool) {
        state.withLock { state in
            state.current.removeAll { $0 == part.name }
            if isLast { state.tablesDone += 1 }
            state.sizeDone += part.size
        }
    }

    func noteStart(_ stage: String, pid: pid_t) {
        change(stage) { state in
            if state.pid != 0 { state.restarts += 1 }
            state.pid = pid
            state.state = .running
        }
    }

    func noteEnd(_ stage: String) {
        change(stage) { $0.state = .ended }
    }

    func noteRestart(after failure: StageFailure) {
        change(failure.stage) { state in
            state.state = .restarting
            state.lastEnd = failure.words
            state.lastEndAt = Timestamp.now.description
        }
    }

    private func change(_ stage: String, _ change: (inout StageState) -> Void) {
        state.withLock { now in
            if let index = now.stages.firstIndex(where: { $0.name == stage }) { return change(&now.stages[index]) }
            var first = StageState(name: stage, state: .running, pid: 0)
            change(&first)
            now.stages.append(first)
        }
    }

    /// The state in one line for people.
    public var line: String {
        let now = snapshot
        guard now.tablesDone < now.tables else { return now.step }
        return "\(now.step): \(now.tablesDone) of \(now.tables) tables, \(Self.megabytes(now.bytes))"
            + (now.current.isEmpty ? "" : "; now \(now.current.joined(separator: ", "))")
    }

    /// A number of bytes for people, in the unit that suits it.
    public static func size(_ bytes: Int) -> String {
        if bytes < 1024 { return "\(bytes) B" }
        var (value, unit) = (Double(bytes) / 1024, 0)
        let units = ["kB", "MB", "GB", "TB"]
        while value >= 1024 && unit < units.count - 1 { (value, unit) = (value / 1024, unit + 1) }
        return "\(Figures.tenths(value)) \(units[unit])"
    }

    /// A number of bytes for people.
    public static func megabytes(_ bytes: Int) -> String {
        Figures.megabytes(UInt64(clamping: bytes))
    }
}
