import Catalog
import Glibc
import Observability
import Postgres
import Supervision
import Synchronization
import Threading

/// What a migration is doing at this moment; shared by the threads that do it and the one that reports it.
public final class CloneProgress: Sendable {
    private struct State {
        var now = ProgressSnapshot()
        /// When the copy of rows began.
        var rowsBegan: Deadline?
        /// COPY text of the tables that are copied.
        var bytesOfDone = 0
        /// The sum of bytes at moments of the last seconds.
        var samples: [(at: Deadline, bytes: Int)] = []
        var ownsSpool = false
    }

    private static let rateWindowMilliseconds = 10_000
    private static let sampleMilliseconds = 250
    private let state = Mutex(State())
    private let began = Deadline.now

    /// Nothing is done yet.
    public init() {}

    /// The present state.
    public var snapshot: ProgressSnapshot {
        state.withLock { state in
            let now = Deadline.now
            if state.samples.last.map({ now > $0.at + Self.sampleMilliseconds }) ?? true {
                state.samples.append((now, state.now.bytes))
                state.samples.removeAll { now > $0.at + Self.rateWindowMilliseconds }
            }
            var snapshot = state.now
            snapshot.seconds = now.seconds(since: began)
            if let first = state.samples.first, now > first.at {
                snapshot.bytesPerSecond = Double(snapshot.bytes - first.bytes) / now.seconds(since: first.at)
            }
            let done = Self.done(state)
            snapshot.fraction = done
            if let begun = state.rowsBegan, done > 0.01, done < 1 {
                snapshot.secondsLeft = now.seconds(since: begun) * (1 - done) / done
            }
            return snapshot
        }
    }

    /// The part of the rows that is copied, by the room that they take on the source.
    private static func done(_ state: State) -> Double {
        let now = state.now
        guard now.sizeOnSource > 0 else { return now.tables == 0 ? 0 : Double(now.tablesDone) / Double(now.tables) }
        // Text and pages differ in size; what is done already says by how much, as far as it is a part of the whole that
        // counts: a table of ten rows is nearly all empty page.
        let prior = Double(now.sizeOnSource) * 0.05
        let ratio = (Double(now.sizeDone) + prior) / (Double(state.bytesOfDone) + prior)
        let current = now.current.reduce(0.0) { $0 + min(Double($1.size), Double($1.bytes) * ratio) }
        return min(1, (Double(now.sizeDone) + current) / Double(now.sizeOnSource))
    }

    /// Bytes of WAL kept by the slot at which the user is warned.
    public func warn(atWAL bytes: UInt64) {
        state.withLock { $0.now.walWarningBytes = bytes }
    }

    /// This process works with the spool, so that what it says there is not another's to say.
    public var ownsSpool: Bool { state.withLock { $0.ownsSpool } }

    package func noteLock() {
        state.withLock { $0.ownsSpool = true }
    }

    package func begin(_ step: String) {
        state.withLock { $0.now.step = step }
    }

    package func plan(_ tables: [CopiedTable]) {
        state.withLock { state in
            state.now.tables = tables.count
            state.now.sizeOnSource = tables.reduce(0) { $0 + $1.size }
            state.rowsBegan = .now
        }
    }

    package func begin(_ part: CopyPart) {
        state.withLock { $0.now.current.append(.init(name: part.name, size: part.size)) }
    }

    package func add(bytes: Int, rows: Int = 0, to part: CopyPart? = nil) {
        state.withLock { state in
            state.now.bytes += bytes
            state.now.rows += rows
            guard let name = part?.name, let index = state.now.current.firstIndex(where: { $0.name == name }) else {
                return
            }
            state.now.current[index].bytes += bytes
            state.now.current[index].rows += rows
        }
    }

    /// - Parameter isLast: the whole table is copied now.
    package func finish(_ part: CopyPart, isLast: Bool) {
        state.withLock { state in
            guard let index = state.now.current.firstIndex(where: { $0.name == part.name }) else { return }
            state.bytesOfDone += state.now.current.remove(at: index).bytes
            state.now.sizeDone += part.size
            if isLast { state.now.tablesDone += 1 }
        }
    }

    package func note(_ indexes: ProgressSnapshot.Indexes) {
        state.withLock { $0.now.indexes = indexes }
    }

    package var step: String { state.withLock { $0.now.step } }

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

// The stages.
extension CloneProgress: StageObserver {
    package func noteStart(_ stage: String, pid: pid_t) {
        change(stage) { state in
            if state.pid != 0 { state.restarts += 1 }
            state.pid = pid
            state.state = .running
        }
    }

    package func noteApplying(from position: LSN) {
        state.withLock { $0.now.appliedBefore = position }
    }

    package func noteEnd(_ stage: String) {
        change(stage) { $0.state = .ended }
    }

    /// None runs, as was wanted: those that come are no restarts.
    package func forgetStages() {
        state.withLock { $0.now.stages = [] }
    }

    package func noteRestart(after failure: StageFailure) {
        change(failure.stage) { state in
            state.state = .restarting
            state.lastEnd = failure.words
            state.lastEndAt = Timestamp.now.description
        }
    }

    /// Nothing is applied until someone does something about it.
    package func noteBlocked(by failure: StageFailure, report: String?) {
        noteRestart(after: failure)
        change(failure.stage) { $0.state = .blocked }
        state.withLock { state in
            var blocked = ProgressSnapshot.Blocked(
                words: failure.words, code: failure.code, since: state.now.blocked?.since ?? Timestamp.now.description)
            blocked.attempts = (state.now.blocked?.attempts ?? 0) + 1
            blocked.report = report
            state.now.blocked = blocked
        }
    }

    /// - Returns: false when nothing was blocked.
    package func noteUnblocked() -> Bool {
        state.withLock { state in
            defer { state.now.blocked = nil }
            return state.now.blocked != nil
        }
    }

    private func change(_ stage: String, _ change: (inout StageState) -> Void) {
        state.withLock { state in
            if let index = state.now.stages.firstIndex(where: { $0.name == stage }) {
                return change(&state.now.stages[index])
            }
            var first = StageState(name: stage, state: .running, pid: 0)
            change(&first)
            state.now.stages.append(first)
        }
    }
}
