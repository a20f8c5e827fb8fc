import Synchronization

/// Time that a test makes: ``Deadline`` reads it, and ``Polling`` lets it pass, in the place of the system's clock.
///
/// Bound to a task, so that whatever else runs in the process keeps the system's. A program that never binds one pays a
/// look at a flag.
package final class VirtualTime: @unchecked Sendable {
    // One thread at a time runs what is bound to it.
    /// Nanoseconds since an arbitrary start.
    package private(set) var nanoseconds: Int64 = 1_000_000_000
    /// Called when somebody waits: what happens meanwhile.
    package var onWait: () -> Void = {}

    /// A clock at its start.
    package init() {}

    /// Lets time pass.
    package func pass(milliseconds: Int) {
        nanoseconds += Int64(milliseconds) * 1_000_000
    }

    func wait(until deadline: Deadline) {
        if deadline != .never { nanoseconds = max(nanoseconds, deadline.nanoseconds) }
        onWait()
    }

    @TaskLocal private static var bound: VirtualTime?
    private static let isUsed = Atomic<Bool>(false)

    /// The clock of the running test, if one is.
    static var current: VirtualTime? {
        isUsed.load(ordering: .relaxed) ? bound : nil
    }

    /// True where time is made: nobody waits for anything but the clock.
    package static var isBound: Bool { current != nil }

    /// Runs `body` in this time.
    package func run<Result>(_ body: () throws -> Result) rethrows -> Result {
        VirtualTime.isUsed.store(true, ordering: .relaxed)
        return try VirtualTime.$bound.withValue(self, operation: body)
    }
}
