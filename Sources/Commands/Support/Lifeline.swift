import Glibc
import Threading

/// Ends a stage whose parent is gone.
///
/// `clone` names itself in WALRELAY_PARENT_PID. The kernel's own death signal follows the parent's thread rather than
/// its process, so it cannot be used from a pool of threads. A descriptor of the parent's process tells of its end; where
/// the kernel has none (before 5.3), an orphan sees now and then that its parent has changed.
final class Lifeline: Sendable {
    private static let variable = "WALRELAY_PARENT_PID"
    private let ending = StopRequest()

    /// This process is a stage of a clone.
    static var isThere: Bool { getenv(variable) != nil }

    /// Watches the parent, if there is one to watch, from a thread of its own.
    static func watch(_ stop: StopRequest) -> Lifeline? {
        guard let text = getenv(variable), let parent = pid_t(String(cString: text)) else { return nil }
        let lifeline = Lifeline()
        let watch = Worker.start(name: "lifeline") { [ending = lifeline.ending] in
            let descriptor = processDescriptor(parent)
            defer { if descriptor >= 0 { close(descriptor) } }
            // It may have died before, and its number may be that of another process.
            while getppid() == parent {
                _ = Polling.wait(
                    descriptor, ending.descriptor, until: descriptor < 0 ? .after(milliseconds: 1_000) : .never)
                if ending.isRequested { return }
            }
            // Asked already: the parent was ended by a second signal.
            if stop.isRequested { Ending.now(SIGTERM) }
            stop.request()
            Ending.within10Seconds(SIGTERM)
        }
        return watch == nil ? nil : lifeline
    }

    /// Watches no more.
    func cancel() { ending.request() }

    private typealias Open = @convention(c) (pid_t, UInt32) -> Int32

    /// Readable once the process has ended; -1 where the system has no such thing.
    private static func processDescriptor(_ pid: pid_t) -> Int32 {
        guard let symbol = dlsym(dlopen(nil, RTLD_NOW), "pidfd_open") else { return -1 }
        return unsafeBitCast(symbol, to: Open.self)(pid, 0)
    }
}
