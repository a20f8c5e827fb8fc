import Glibc

/// A named thread of its own for blocking work: one libpq connection, or one file being written.
///
/// Blocking inside a Swift task would starve the small pool that all tasks share.
public final class Worker: @unchecked Sendable {
    private final class Start: @unchecked Sendable {
        let name: String
        let body: @Sendable () -> Void

        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    private let condition = Condition()
    private var isFinished = false

    private init() {}

    /// Starts `body` on a new thread. Nil when the system refuses another thread.
    public static func start(name: String, _ body: @escaping @Sendable () -> Void) -> Worker? {
        try? launch(name: name, body)
    }

    /// Starts `body` on a new thread.
    ///
    /// - Throws: ``ThreadError`` when the system refuses another thread.
    public static func launch(
        name: String, _ body: @escaping @Sendable () -> Void
    ) throws(ThreadError) -> Worker {
        let worker = Worker()
        let start = Start(name: name) {
            body()
            worker.finish()
        }
        let argument = Unmanaged.passRetained(start)
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        pthread_attr_setstacksize(&attributes, 4 << 20)
        var thread = pthread_t()
        let result = pthread_create(
            &thread, &attributes,
            { argument in
                guard let argument else { return nil }
                let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                setThreadName(start.name)
                start.body()
                return nil
            }, argument.toOpaque())
        guard result == 0 else {
            argument.release()
            // It returns the error, and leaves errno alone.
            throw .cannotStart(errno: result)
        }
        return worker
    }

    /// Waits until the thread's work has ended. Must not be called from a Swift task.
    public func join() {
        condition.locked {
            while !isFinished { condition.wait() }
        }
    }

    /// Waits until the thread's work has ended, but not longer than `deadline`. False if it still runs.
    @discardableResult
    public func join(until deadline: Deadline) -> Bool {
        condition.locked {
            while !isFinished {
                guard condition.wait(until: deadline) else { break }
            }
            return isFinished
        }
    }

    private func finish() {
        condition.locked {
            isFinished = true
            condition.signalAll()
        }
    }

    /// Runs `body` on a thread of its own and waits for it without blocking the calling task.
    public static func run<Result: Sendable>(
        name: String, _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            do throws(ThreadError) {
                _ = try launch(name: name) { continuation.resume(with: Swift.Result { try body() }) }
            } catch {
                continuation.resume(throwing: error)
            }
        }
    }
}

/// Names the calling thread for `ps -T`, `top -H` and perf; the kernel keeps 15 bytes.
private func setThreadName(_ name: String) {
    let descriptor = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    var bytes = Array(name.utf8.prefix(15))
    _ = write(descriptor, &bytes, bytes.count)
}

/// Why no thread could be started.
public enum ThreadError: Error, CustomStringConvertible {
    /// `pthread_create` failed.
    case cannotStart(errno: Int32)

    /// The error in words.
    public var description: String {
        switch self {
        case .cannotStart(let code):
            "cannot start a thread: \(String(cString: strerror(code))); check the limits on processes and memory (ulimit -u, ulimit -v)"
        }
    }
}
