import Batches
import Logging
import Postgres

/// A session with the target in which the text of batches means what it should: every setting is set, then verified.
public final class TargetSession {
    /// The session.
    public let connection: Connection
    /// The shortest time from a question to its answer, in whole milliseconds.
    public private(set) var roundTripMilliseconds = Int.max

    /// Opens a session for text in `encoding`.
    ///
    /// - Parameter synchronousCommit: what its commits wait for.
    ///
    /// - Throws: ``ApplyError`` with `connectionLost`, `privilege` or `unsuitableSession`.
    public init(
        _ target: ConnectionString, encoding: String, synchronousCommit: ApplyOptions.SynchronousCommit = .off,
        logger: Logger
    ) throws(ApplyError) {
        do throws(PostgresError) {
            connection = try Connection(target, applicationName: "walrelay replay")
        } catch {
            throw ApplyError(error, batch: nil, table: nil)
        }
        let settings = BatchPreamble.settings(encoding: encoding).map { name, value in
            (name: name, value: name == "synchronous_commit" ? synchronousCommit.rawValue : value)
        }
        let first = try backendPID()
        for (name, value) in settings { try set(name, value) }
        try run(
            "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings "
                + "WHERE name IN ('idle_session_timeout', 'transaction_timeout')", "setting the timeouts to 0")
        for (name, value) in settings { try verify(name, value) }
        guard try backendPID() == first else {
            throw ApplyError(
                .unsuitableSession,
                "the server process changes between statements: a pooler in transaction mode stands before the "
                    + "target; connect to the server itself, or to a pool in session mode")
        }
        if first != connection.backendPID {
            logger.warning(
                "a pooler stands before the target; it must be in session mode",
                metadata: ["target": "\(connection.target)"])
        }
        let recovering = try run("SELECT pg_catalog.pg_is_in_recovery()", "asking for the server's role").text(0, 0)
        guard recovering == "f" else {
            throw ApplyError(
                .unsuitableSession, "the target is a standby, which takes no changes; connect to its primary")
        }
    }

    @discardableResult
    private func run(_ sql: String, _ doing: String) throws(ApplyError) -> QueryResult {
        do throws(PostgresError) {
            return try connection.execute(sql, doing: doing)
        } catch {
            throw ApplyError(error, batch: nil, table: nil)
        }
    }

    private func backendPID() throws(ApplyError) -> Int32 {
        let text = try run("SELECT pg_catalog.pg_backend_pid()", "asking for the server process").text(0, 0)
        return text.flatMap { Int32($0) } ?? 0
    }

    private func set(_ name: String, _ value: String) throws(ApplyError) {
        do throws(PostgresError) {
            try connection.execute(
                "SET \(name) = \(Quoting.literal(value))", doing: "setting \(name) to \(Quoting.literal(value))")
        } catch {
            guard error.sqlState == .insufficientPrivilege, name == "session_replication_role" else {
                throw ApplyError(error, batch: nil, table: nil)
            }
            let role = Quoting.identifier(connection.user)
            let advice = TargetPrivileges.replicaRoleAdvice(connection)
            throw ApplyError(
                .privilege,
                "the role \(role) may not switch off triggers and foreign keys (session_replication_role); \(advice)",
                cause: error)
        }
    }

    private func verify(_ name: String, _ value: String) throws(ApplyError) {
        let begun = ContinuousClock.now
        let shown = try run("SHOW \(name)", "verifying \(name)").text(0, 0) ?? ""
        roundTripMilliseconds = min(roundTripMilliseconds, Int((ContinuousClock.now - begun) / .milliseconds(1)))
        guard shown == value || (value.isEmpty && shown == "\"\"") else {
            throw ApplyError(
                .unsuitableSession,
                "\(name) was set to \"\(value)\" but is \"\(shown)\": a pooler in transaction mode, or a login "
                    + "trigger, undoes settings; connect to the server itself")
        }
    }
}
