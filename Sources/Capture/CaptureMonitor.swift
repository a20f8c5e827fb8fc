import Glibc
import Logging
import Observability
import Postgres
import Spool
import Synchronization
import Threading

/// Watches a capture from a thread of its own: writes its status file, says a line now and then, asks the source how
/// far it is, and holds the capture back when the spool or the disk is full.
///
/// Nothing here may delay the capture's thread, which has to answer the source whatever disk and catalog do.
final class CaptureMonitor: Sendable {
    private let status = Mutex(CaptureStatus())
    private let heldBack = Atomic<Bool>(false)
    private let stopping = StopRequest()
    private let options: CaptureOptions
    private let logger: Logger
    private let wake: WakePipe

    /// Milliseconds between two looks, and where nothing has come since the last one: each wakes a machine that may be idle.
    private static let interval = 1_000
    private static let idleInterval = 2_000
    /// Milliseconds between two questions to the source.
    private static let askInterval = 5_000

    init(_ options: CaptureOptions, logger: Logger, wake: WakePipe) {
        self.options = options
        self.logger = logger
        self.wake = wake
    }

    /// Starts the thread. There is nothing to watch without a spool.
    func start() -> Worker? {
        guard let spool = options.spool else { return nil }
        return Worker.start(name: "monitor") { self.run(spool) }
    }

    func stop() { stopping.request() }

    /// True while the capture must not read: the spool is at its quota.
    var isHeldBack: Bool { heldBack.load(ordering: .acquiring) }

    /// Changes what the capture's thread knows of the status.
    func update(_ change: (inout CaptureStatus) -> Void) {
        status.withLock { change(&$0) }
    }

    private struct Look {
        var connection: Connection?
        var messages: UInt64 = 0
        var at = Deadline.now
        var askAt = Deadline.now
        var isIdle = false
        var isFirst = true
        var spokeAt = Deadline.now
        var wasHeldBack = false
    }

    private func run(_ spool: SpoolDirectory) {
        let file = StatusFile(spool.statePath + "/receive.json")
        var look = Look()
        while !stopping.isRequested {
            if look.askAt.hasPassed {
                askSource(&look)
                look.askAt = .after(milliseconds: Self.askInterval)
            }
            measure(spool, &look)
            file.write(JSON.encode(current(&look)) + [0x0A])
            speak(&look)
            look.isFirst = false
            let pause = look.isIdle ? Self.idleInterval : Self.interval
            _ = Polling.wait(stopping.descriptor, until: .after(milliseconds: pause))
        }
        status.withLock { $0.state = .ended }
        file.write(JSON.encode(current(&look)) + [0x0A])
    }

    private func current(_ look: inout Look) -> CaptureStatus {
        let messages = look.messages
        let seconds = max(0.001, Deadline.now.seconds(since: look.at))
        look.at = .now
        let now = status.withLock { status in
            status.updated = Timestamp.now.description
            status.pid = getpid()
            status.slot = options.slot
            let seen = status.seen ?? status.received
            status.lagBytes = status.server.map { $0.rawValue - min($0.rawValue, seen.rawValue) }
            status.messagesPerSecond =
                Double(status.messages &- min(messages, status.messages)) / seconds
            return status
        }
        look.isIdle = now.messages == messages
        look.messages = now.messages
        return now
    }

    /// Compares the spool with its quota, and the disk with its floor.
    private func measure(_ spool: SpoolDirectory, _ look: inout Look) {
        let bytes = spool.usedBytes()
        let isOverQuota = options.maxSpoolSize.map { bytes >= $0 } ?? false
        let isUnderFloor = options.minFreeDisk > 0 && (spool.freeBytes() ?? .max) < options.minFreeDisk
        let isFull = isOverQuota || isUnderFloor
        heldBack.store(isFull, ordering: .releasing)
        status.withLock { status in
            status.spoolBytes = bytes
            if isFull { status.state = .spoolFull } else if status.state == .spoolFull { status.state = .streaming }
        }
        guard isFull != look.wasHeldBack else { return }
        look.wasHeldBack = isFull
        if isFull {
            logger.warning(
                """
                \(isOverQuota ? "the spool has reached --max-spool-size" : "the disk has less free space than --min-free"): \
                not reading from the source until there is room; the source keeps its WAL meanwhile
                """)
        } else {
            logger.info("there is room again: reading on")
            wake.wake()
        }
    }

    private func askSource(_ look: inout Look) {
        do {
            let session = try look.connection ?? Connection(options.source, applicationName: "walrelay receive")
            look.connection = session
            let result = try session.query(
                """
                SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                            ELSE pg_catalog.pg_current_wal_lsn() END,
                       restart_lsn, pg_catalog.to_jsonb(s) OPERATOR(pg_catalog.->>) 'wal_status',
                       pg_catalog.to_jsonb(s) OPERATOR(pg_catalog.->>) 'safe_wal_size'
                  FROM pg_catalog.pg_replication_slots s WHERE slot_name OPERATOR(pg_catalog.=) $1
                """, [options.slot], doing: "asking the source for its position")
            let server = result.text(0, 0).flatMap { LSN($0) }
            let restart = result.text(0, 1).flatMap { LSN($0) }
            status.withLock { status in
                status.server = server
                status.walStatus = result.text(0, 2)
                status.safeBytes = result.text(0, 3).flatMap { Int64($0) }.map { UInt64(max(0, $0)) }
                if let server, let restart {
                    status.retainedBytes = server.rawValue - min(server.rawValue, restart.rawValue)
                }
            }
        } catch {
            // The capture's own connection tells what is wrong; here it only means not to know the lag.
            look.connection = nil
        }
    }

    private func speak(_ look: inout Look) {
        guard look.spokeAt.hasPassed else { return }
        look.spokeAt = .after(milliseconds: options.statusInterval * 1_000)
        guard !look.isFirst else { return }
        let now = status.withLock { $0 }
        let lag = now.lagBytes.map { ", \(Self.size($0)) behind the source" } ?? ""
        let kept = now.retainedBytes.map { ", WAL kept there \(Self.size($0))" } ?? ""
        logger.info(
            """
            \(now.state.rawValue) at \(now.received), durable \(now.durable)\(lag)\(kept), \
            \(Int(now.messagesPerSecond)) messages/s, spool \(Self.size(now.spoolBytes))
            """)
    }

    private static func size(_ bytes: UInt64) -> String {
        if bytes >= 10 << 30 { return "\(bytes >> 30) GB" }
        if bytes >= 10 << 20 { return "\(bytes >> 20) MB" }
        if bytes >= 10 << 10 { return "\(bytes >> 10) kB" }
        return "\(bytes) B"
    }
}
