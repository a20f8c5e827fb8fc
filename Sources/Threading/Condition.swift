import Glibc

/// A mutex and a condition variable in one, for hand-over between two threads.
///
/// `Synchronization.Mutex` has no way to wait for a change, and Dispatch semaphores cost several times more per
/// hand-over; this is the plain POSIX pair.
public final class Condition: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let variable = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    /// A mutex that nobody holds.
    public init() {
        mutex.initialize(to: pthread_mutex_t())
        variable.initialize(to: pthread_cond_t())
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(variable, nil)
    }

    deinit {
        pthread_cond_destroy(variable)
        pthread_mutex_destroy(mutex)
        variable.deallocate()
        mutex.deallocate()
    }

    /// Runs `body` while nobody else is in here.
    public func locked<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body()
    }

    /// Waits for a signal; call only inside ``locked(_:)``.
    public func wait() {
        pthread_cond_wait(variable, mutex)
    }

    /// Waits for a signal until `deadline`; call only inside ``locked(_:)``. False once the deadline has passed.
    public func wait(until deadline: Deadline) -> Bool {
        // The condition variable's clock is CLOCK_REALTIME; a jump of it only makes one wait shorter or longer.
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let nanoseconds = Int64(now.tv_nsec) + deadline.remainingNanoseconds
        var until = timespec(
            tv_sec: now.tv_sec + Int(nanoseconds / 1_000_000_000),
            tv_nsec: Int(nanoseconds % 1_000_000_000)
        )
        return pthread_cond_timedwait(variable, mutex, &until) != ETIMEDOUT
    }

    /// Wakes all that wait.
    public func signalAll() {
        pthread_cond_broadcast(variable)
    }
}
