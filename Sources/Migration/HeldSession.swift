import Postgres
import Synchronization
import Threading

/// A session for the steps for which an application waits, one after the other, on whatever thread each runs: to open one takes as
/// long as most of these steps.
final class HeldSession: Sendable {
    private let open: @Sendable () throws -> Connection
    private let turn = Mutex(())
    /// Used by whoever has the turn.
    nonisolated(unsafe) private var connection: Connection?

    /// - Parameter open: opens it, and opens it again when it was lost.
    init(_ open: @escaping @Sendable () throws -> Connection) {
        self.open = open
    }

    /// Opens it. Where that fails, whoever uses it tries again, and says why.
    func prepare() {
        turn.withLock { _ in connection = try? open() }
    }

    /// Lends it.
    func use<Result>(_ body: (Connection) throws -> Result) throws -> Result {
        try turn.withLock { _ in
            // A server that has ended it has said so.
            if let connection, !Polling.wait(connection.socket, until: .now).first { return try body(connection) }
            let opened = try open()
            connection = opened
            return try body(opened)
        }
    }
}
