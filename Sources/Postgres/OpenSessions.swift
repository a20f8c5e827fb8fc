import CLibpq
import Glibc
import Synchronization
import Threading

/// The sessions of this process, open or being opened, so that a program that was asked to stop need not wait for what
/// they wait for: a lock, another transaction, a server that does not answer.
public final class OpenSessions: Sendable {
    /// Those of this process.
    public static let all = OpenSessions()

    /// What it takes to cancel a session's statement from another thread.
    private final class Cancellation: @unchecked Sendable {
        private let pointer: OpaquePointer

        init?(_ handle: OpaquePointer) {
            guard let pointer = PQgetCancel(handle) else { return nil }
            self.pointer = pointer
        }

        deinit { PQfreeCancel(pointer) }

        /// Blocks until the server has been told, for ever if it does not answer.
        func send() {
            var message = [CChar](repeating: 0, count: 256)
            _ = PQcancel(pointer, &message, Int32(message.count))
        }
    }

    private struct Session: Sendable {
        let socket: Int32
        let cancellation: Cancellation?
        let activity: SessionActivity?
    }

    private struct State {
        var sessions: [Int: Session] = [:]
        var openings: [Int: SessionOpening] = [:]
        var last = 0
        var isClosed = false
    }

    private let state = Mutex(State())
    private let interrupted = Atomic<Bool>(false)

    private init() {}

    /// Statements were cancelled, or sessions ended, because the program is to stop: what fails from then on may have
    /// failed because of that.
    public var wereInterrupted: Bool { interrupted.load(ordering: .acquiring) }

    /// Takes an open session. Returns its number.
    ///
    /// - Parameter activity: what it is watched by, if it is.
    func add(_ handle: OpaquePointer, _ activity: SessionActivity?) -> Int {
        let session = Session(
            socket: PQsocket(handle), cancellation: Cancellation(handle), activity: activity)
        return state.withLock { state in
            state.last += 1
            state.sessions[state.last] = session
            return state.last
        }
    }

    /// The session is about to be closed: its socket may become another's.
    func remove(session: Int) {
        _ = state.withLock { $0.sessions.removeValue(forKey: session) }
    }

    /// Takes a session that is being opened. Returns its number; nil when none is to be opened any more.
    func add(_ opening: SessionOpening) -> Int? {
        state.withLock { state in
            guard !state.isClosed else { return nil }
            state.last += 1
            state.openings[state.last] = opening
            return state.last
        }
    }

    func remove(opening: Int) {
        _ = state.withLock { $0.openings.removeValue(forKey: opening) }
    }

    /// Cancels the statement of every session, and gives up those that are being opened.
    ///
    /// - Returns: the threads that tell the servers. One that does not answer keeps its thread for ever.
    @discardableResult
    public func cancel() -> [Worker] {
        interrupted.store(true, ordering: .releasing)
        let (sessions, openings) = state.withLock { ($0.sessions.values.map(\.cancellation), $0.openings) }
        for opening in openings.values { opening.abandon() }
        return sessions.compactMap { cancellation in
            guard let cancellation else { return nil }
            return Worker.start(name: "cancelling") { cancellation.send() }
        }
    }

    /// The sessions that are watched, by their numbers.
    func activities() -> [Int: SessionActivity] {
        state.withLock { $0.sessions.compactMapValues(\.activity) }
    }

    /// Ends a session from this side: whoever waits for it finds the connection lost.
    func shutDown(session number: Int) {
        state.withLock { state in
            if let session = state.sessions[number] { _ = shutdown(session.socket, Int32(SHUT_RDWR)) }
        }
    }

    /// Ends every session from this side, and opens no other.
    public func shutDown() {
        interrupted.store(true, ordering: .releasing)
        let openings = state.withLock { state in
            state.isClosed = true
            // Under the lock: a socket that is closed meanwhile could be another file by now.
            for session in state.sessions.values { _ = shutdown(session.socket, Int32(SHUT_RDWR)) }
            return state.openings
        }
        for opening in openings.values { opening.abandon() }
    }
}

/// A session that is being opened, on a thread of its own: libpq itself cannot be told to give up.
final class SessionOpening: @unchecked Sendable {
    private let condition = Condition()
    private var handle: OpaquePointer?
    private var isFinished = false
    private var isAbandoned = false

    private init() {}

    /// Opens a session with `connect`, and waits for it.
    ///
    /// - Throws: ``PostgresError`` when the wait is given up.
    static func run(
        _ target: String, _ connect: @escaping @Sendable () -> OpaquePointer?
    ) throws(PostgresError) -> OpaquePointer? {
        let opening = SessionOpening()
        guard let number = OpenSessions.all.add(opening) else { throw givenUp(target) }
        defer { OpenSessions.all.remove(opening: number) }
        // Without another thread it is done on this one.
        guard Worker.start(name: "connecting", { opening.finish(connect()) }) != nil else { return connect() }
        guard opening.wait() else { throw givenUp(target) }
        return opening.handle
    }

    private static func givenUp(_ target: String) -> PostgresError {
        PostgresError(.cannotConnect, "cannot connect to \(target): given up, because the program was asked to stop")
    }

    private func wait() -> Bool {
        condition.locked {
            while !isFinished && !isAbandoned { condition.wait() }
            return !isAbandoned
        }
    }

    private func finish(_ handle: OpaquePointer?) {
        let isWanted = condition.locked {
            self.handle = handle
            isFinished = true
            condition.signalAll()
            return !isAbandoned
        }
        if !isWanted { PQfinish(handle) }
    }

    /// Lets the waiting thread continue without the session.
    func abandon() {
        condition.locked {
            guard !isFinished else { return }
            isAbandoned = true
            condition.signalAll()
        }
    }
}
