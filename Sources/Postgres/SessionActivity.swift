import CLibpq
import Synchronization
import Threading

/// What a session is doing at present, for the watch: since when it waits for the server.
final class SessionActivity: Sendable {
    private let since = Atomic<Int64>(0)
    /// When the server started that the session is with; nil until its process is known to be the one that libpq was told
    /// of, which it is not behind a pooler.
    private let started = Mutex<String?>(nil)
    let string: ConnectionString
    let backendPID: Int32

    init(_ string: ConnectionString, _ handle: OpaquePointer) {
        self.string = string
        backendPID = PQbackendPID(handle)
    }

    var serverStart: String? { started.withLock { $0 } }

    /// Takes what the server says of itself.
    func confirm(backend: String?, serverStart: String?) {
        if backend == String(backendPID) { started.withLock { $0 = serverStart } }
    }

    func begin() { since.store(Deadline.now.nanoseconds, ordering: .relaxed) }
    func end() { since.store(0, ordering: .relaxed) }

    /// When the wait began; nil while there is none.
    var waitingSince: Deadline? {
        let value = since.load(ordering: .relaxed)
        return value == 0 ? nil : Deadline(nanoseconds: value)
    }
}
