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
    /// - Parameters:
    ///   - synchronousCommit: what its commits wait for.
    ///   - usesReplicaRole: triggers and foreign keys are switched off.
    /// - Throws: ``ApplyError`` with `connectionLost`, `privilege` or `unsuitableSession`.
    public init(
        _ target: ConnectionString, encoding: String, synchronousCommit: ApplyOptions.SynchronousCommit = .off,
        usesReplicaRole: Bool = true, logger: Logger
    ) throws(ApplyError) {
        do throws(PostgresError) {
            connection = try Connection(target, applicationName: "walrelay replay")
        } catch {
            throw ApplyError(error, batch: nil, table: nil)
        }
        let all = BatchPreamble.settings(encoding: encoding).filter {
            usesReplicaRole || $0.name != "session_replication_role"
        }
        let settings = all.map { name, value in
            (name: name, value: name == "synchronous_commit" ? synchronousCommit.rawValue : value)
        }
        let first = try set(settings)
        let now = try verify(settings)
        guard now.backendPID == first else {
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
        guard !now.isInRecovery else {
            throw ApplyError(
                .unsuitableSession, "the target is a standby, which takes no changes; connect to its primary")
        }
    }

    /// A long statement takes several times its text on the server, whose C library would give that back to the system
    /// after each, and have it zeroed for the next. Once a piece of this many bytes was freed, glibc keeps twice as much
    /// (mallopt(3), M_MMAP_THRESHOLD); the piece itself it gives back.
    private static let keptBytes = 16_000_000

    /// Runs statements that travel together and answer quickly; returns the last result.
    private func run(_ sql: String, _ doing: String) throws(PostgresError) -> QueryResult {
        let begun = ContinuousClock.now
        let result = try connection.execute(sql, doing: doing)
        roundTripMilliseconds = min(roundTripMilliseconds, Int((ContinuousClock.now - begun) / .milliseconds(1)))
        return result
    }

    /// Sets all in one round trip, and returns the server process that did.
    private func set(_ settings: [(name: String, value: String)]) throws(ApplyError) -> Int32 {
        var sql = settings.map { "SET \($0.name) = \(Quoting.literal($0.value));" }.joined(separator: "\n")
        sql += """

            SELECT pg_catalog.length(pg_catalog.repeat(' ', \(Self.keptBytes)));
            SELECT pg_catalog.pg_backend_pid()
            """
        do throws(PostgresError) {
            return try run(sql, "setting up the session").text(0, 0).flatMap { Int32($0) } ?? 0
        } catch {
            // Which of them it was shows when each is set by itself.
            for (name, value) in settings { try set(name, value) }
            throw ApplyError(error, batch: nil, table: nil)
        }
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
                "the role \(role) may not switch off triggers and foreign keys (session_replication_role; a target that "
                    + "has none can do without, by --no-replica-role); \(advice)",
                cause: error)
        }
    }

    /// Reads all settings in one round trip.
    private func verify(
        _ settings: [(name: String, value: String)]
    ) throws(ApplyError) -> (backendPID: Int32, isInRecovery: Bool) {
        let columns = settings.map { "pg_catalog.current_setting(\(Quoting.literal($0.name)))" }
        let result: QueryResult
        do throws(PostgresError) {
            result = try run(
                "SELECT pg_catalog.pg_backend_pid(), pg_catalog.pg_is_in_recovery(), "
                    + columns.joined(separator: ", "), "verifying the session's settings")
        } catch {
            throw ApplyError(error, batch: nil, table: nil)
        }
        for (column, (name, value)) in settings.enumerated() {
            let shown = result.text(0, 2 + column) ?? ""
            guard shown == value || (value.isEmpty && shown == "\"\"") else {
                throw ApplyError(
                    .unsuitableSession,
                    "\(name) was set to \"\(value)\" but is \"\(shown)\": a pooler in transaction mode, or a login "
                        + "trigger, undoes settings; connect to the server itself")
            }
        }
        return (result.text(0, 0).flatMap { Int32($0) } ?? 0, result.text(0, 1) == "t")
    }
}
