import Glibc
import Synchronization

/// The child processes of this process, so that they can be ended with it.
public final class ChildProcesses: Sendable {
    /// Those of this process.
    public static let all = ChildProcesses()

    /// The processes, and whether each leads a process group of its own.
    private let running = Mutex<[pid_t: Bool]>([:])

    private init() {}

    /// A child was started.
    ///
    /// - Parameter isGroup: signals go to its whole process group.
    public func add(_ pid: pid_t, isGroup: Bool) {
        running.withLock { $0[pid] = isGroup }
    }

    /// The child has ended; its number may become that of another process.
    public func remove(_ pid: pid_t) {
        _ = running.withLock { $0.removeValue(forKey: pid) }
    }

    /// Sends a signal to all of them.
    public func signal(_ number: Int32) {
        running.withLock { running in
            for (pid, isGroup) in running { kill(isGroup ? -pid : pid, number) }
        }
    }
}
