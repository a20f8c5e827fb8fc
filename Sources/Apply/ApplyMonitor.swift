import FoundationEssentials
import Glibc
import Logging
import Observability
import Postgres
import Synchronization
import Threading

/// Tells how replaying is doing, from a thread of its own: a status file, and a line now and then.
public final class ApplyMonitor: Sendable {
    private struct State {
        var counts = ApplyStatistics()
        /// When the counts changed last.
        var applied: Timestamp?
        var latency = ApplyLatency()

        /// Seconds from the commit of the last transaction on the source to its being applied.
        var delay: Double? {
            guard let applied, let committed = counts.committedAt.flatMap({ Timestamp($0) }) else { return nil }
            return Double(applied.rawValue - committed.rawValue) / 1_000_000
        }
    }

    private let state = Mutex(State())
    private let stopping = StopRequest()
    private let file: StatusFile?
    private let sourcePosition: @Sendable () -> LSN?
    private let lineSeconds: Int
    private let logger: Logger

    /// Milliseconds between two looks, and where nothing was applied since the last one: each wakes a machine that may be
    /// idle.
    private static let interval = 1_000
    private static let idleInterval = 2_000

    /// A monitor that writes to the file at `path`, if given, and a line every `lineSeconds` in which something was
    /// applied. `sourcePosition` says where the source's WAL ends, as far as is known.
    public init(
        path: String?, lineSeconds: Int, logger: Logger, sourcePosition: @escaping @Sendable () -> LSN? = { nil }
    ) {
        file = path.map { StatusFile($0) }
        self.sourcePosition = sourcePosition
        self.lineSeconds = lineSeconds
        self.logger = logger
    }

    /// Takes the counts after a batch.
    public func update(_ counts: ApplyStatistics) {
        state.withLock {
            let isApplied = counts.batchesApplied != $0.counts.batchesApplied
            $0.counts = counts
            guard isApplied else { return }
            $0.applied = .now
            if let delay = $0.delay { $0.latency.note(seconds: delay) }
        }
    }

    /// Starts the thread. A monitor that cannot start is done without.
    public func start() -> Worker? {
        Worker.start(name: "monitor") { self.run() }
    }

    /// Ends the thread, after a last look.
    public func stop() { stopping.request() }

    private func run() {
        var last = 0
        var lookedAt = Deadline.now
        var spoken = 0
        var catchUp = CatchUp()
        var line = Deadline.after(milliseconds: lineSeconds * 1_000)
        while true {
            let isLast = stopping.isRequested
            let seconds = max(0.001, Deadline.now.seconds(since: lookedAt))
            lookedAt = .now
            var now = look(since: last, seconds: seconds, isLast: isLast)
            let isIdle = now.changes == last
            last = now.changes
            catchUp.note(applied: now.applied, source: sourcePosition())
            (now.lagBytes, now.secondsLeft) = (catchUp.lagBytes, catchUp.secondsLeft)
            if let json = try? JSONEncoder().encode(now) { file?.write([UInt8](json) + [0x0A]) }
            if isLast { return }
            if line.hasPassed {
                line = .after(milliseconds: lineSeconds * 1_000)
                if now.batches != spoken { speak(now) }
                spoken = now.batches
            }
            _ = Polling.wait(
                stopping.descriptor, until: .after(milliseconds: isIdle ? Self.idleInterval : Self.interval))
        }
    }

    private func look(since last: Int, seconds: Double, isLast: Bool) -> ApplyStatus {
        let state = state.withLock { $0 }
        let counts = state.counts
        var status = ApplyStatus()
        status.updated = Timestamp.now.description
        status.pid = getpid()
        status.isRunning = !isLast
        status.applied = counts.position
        status.committedAt = counts.committedAt
        status.delaySeconds = state.delay
        status.latency = state.latency
        status.transactions = counts.transactions
        status.changes = counts.changes
        status.batches = counts.batchesApplied
        status.batchesInOrder = counts.batchesInOrder
        status.reconnections = counts.reconnections
        status.transactionsSkipped = counts.transactionsSkipped
        status.mismatches = counts.mismatches
        status.trouble = counts.trouble
        if !isLast { status.waitingFor = SessionWatch.shared.current }
        status.changesPerSecond = Double(counts.changes - last) / seconds
        return status
    }

    private func speak(_ now: ApplyStatus) {
        let delay = now.delaySeconds.map { ", \(Figures.tenths(max(0, $0))) s after its commit" } ?? ""
        let behind = now.lagBytes.map { ", \(Figures.megabytes($0)) behind the source" } ?? ""
        let left = now.secondsLeft.map { ", there in about \(Figures.duration(seconds: $0))" } ?? ""
        let size = now.changes / max(1, now.batches)
        logger.info(
            """
            applied \(now.applied ?? .zero)\(delay)\(behind)\(left), \(Int(now.changesPerSecond)) changes/s, \(now.transactions) \
            transactions in \(now.batches) batches of \(size) changes
            """)
    }
}
