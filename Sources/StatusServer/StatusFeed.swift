import Migration
import Observability
import Spool
import Synchronization
import Threading

/// Reads a migration's status now and then, and gives the last one to whoever asks, on any thread.
public final class StatusFeed: Sendable {
    /// The last look.
    struct Look: Sendable {
        /// The status; nil when there is no migration in the folder.
        var status: MigrationStatus?
        /// Why it could not be read; nil when it could.
        var trouble: String?
        var history = StatusHistory()
    }

    private static let intervalMilliseconds = 2_000

    private let spool: SpoolDirectory
    private let begun = Deadline.now
    private let last = Mutex(Look())

    /// A feed from the spool in a folder, which it looks at once.
    public init(_ folder: String) {
        spool = SpoolDirectory(folder)
        look()
    }

    var current: Look { last.withLock { $0 } }

    /// Looks again and again, on this thread, until it is stopped.
    public func run(_ stop: StopRequest) {
        while !stop.isRequested {
            _ = Polling.wait(stop.descriptor, until: .after(milliseconds: Self.intervalMilliseconds))
            look()
        }
    }

    private func look() {
        let second = Int((Deadline.now.nanoseconds - begun.nanoseconds) / 1_000_000_000)
        do {
            let status = try MigrationStatus(spool.inPresentDirection())
            last.withLock { look in
                look.status = status
                look.trouble = status == nil ? "\(spool.path) holds no journal of a clone" : nil
                look.history.add(second: second, lagBytes: status?.running == true ? status?.lagBytes : nil)
            }
        } catch {
            last.withLock { $0.trouble = "\(error)" }
        }
    }
}
