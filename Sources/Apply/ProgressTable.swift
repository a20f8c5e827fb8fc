import Logging
import Postgres

/// The position in a table of the target, for a role that may not use replication origins. It is written in the same
/// transactions as the rows; an advisory lock says which session may.
///
/// ```
/// walrelay.progress    origin  position  committed_at  moved_at
/// ```
/// The lock is the session's. An old session whose commit may still be under way holds it, so that who has the lock
/// reads a position that nobody else moves any more.
final class ProgressTable: TargetProgress {
    /// The first key of the advisory locks; the second is the name's hash.
    static let lockClass = 2_002_873_458

    private let name: String
    private let connection: Connection

    /// Makes the table if it is missing, and takes the lock of `name` for this session.
    ///
    /// - Throws: ``ApplyError`` with `privilege` (and the GRANT to run) or `originBusy` (and who holds it).
    init(name: String, _ connection: Connection, wait: PositionWait) throws(ApplyError) {
        self.name = name
        self.connection = connection
        do throws(PostgresError) {
            if try !connection.hasProgressTable() {
                try create()
                wait.logger.info("made the table walrelay.progress, which has the target's position")
            }
            try checkPrivileges()
            try wait("position", name, lock)
        } catch {
            throw ProgressTable.explain(error, connection)
        }
    }

    func position() throws(ApplyError) -> LSN? {
        do throws(PostgresError) {
            guard let position = try connection.progressTablePosition(name) else { return nil }
            try connection.makeCommitsDurable()
            return position
        } catch {
            throw ProgressTable.explain(error, connection)
        }
    }

    /// The origin's calls in a batch's text: the guard, and what sets the position.
    func replaces(_ statement: UnsafeRawBufferPointer) -> Bool {
        statement.starts(with: "SELECT pg_catalog.pg_replication_origin_".utf8)
            || statement.starts(with: "SELECT CASE WHEN o.at IS NULL OR o.at = ".utf8)
    }

    func move(from: LSN?, to end: LSN, committedAt: String?) -> String? {
        let (origin, table) = (Quoting.literal(name), Connection.progressTable)
        let time = committedAt.map { Quoting.literal($0) } ?? "NULL"
        guard let from else {
            return "INSERT INTO \(table) (origin, position, committed_at) VALUES (\(origin), '\(end)', \(time));"
        }
        return "UPDATE \(table) SET position = '\(end)', committed_at = coalesce(\(time), committed_at), "
            + "moved_at = pg_catalog.now() "
            + "WHERE origin OPERATOR(pg_catalog.=) \(origin) AND position OPERATOR(pg_catalog.=) '\(from)';"
    }

    func movesAlone(to end: LSN, committedAt: String?) -> [String] { [] }

    // MARK: Taking it

    private func create() throws(PostgresError) {
        let doing = "making the table walrelay.progress"
        let schemas = try connection.execute(
            "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = 'walrelay'", doing: doing)
        do throws(PostgresError) {
            if schemas.rowCount == 0 { try connection.execute("CREATE SCHEMA walrelay", doing: doing) }
            try connection.execute(
                """
                CREATE TABLE \(Connection.progressTable) (origin text PRIMARY KEY, position pg_catalog.pg_lsn NOT NULL,
                  committed_at timestamptz, moved_at timestamptz NOT NULL DEFAULT pg_catalog.now())
                """, doing: doing)
        } catch {
            // Another session was faster.
            guard try connection.hasProgressTable() else { throw error }
        }
    }

    /// What fails here would fail in the middle of the first batch.
    private func checkPrivileges() throws(PostgresError) {
        let table = Quoting.literal(Connection.progressTable)
        let may = try connection.execute(
            """
            SELECT pg_catalog.has_schema_privilege('walrelay', 'USAGE')
               AND pg_catalog.has_table_privilege(\(table), 'SELECT')
               AND pg_catalog.has_table_privilege(\(table), 'INSERT')
               AND pg_catalog.has_table_privilege(\(table), 'UPDATE')
            """, doing: "asking whether the role may write the table of positions")
        guard may.text(0, 0) == "t" else {
            throw PostgresError(
                .server, "permission denied for table walrelay.progress", doing: "looking at the table of positions",
                sqlState: .insufficientPrivilege)
        }
    }

    private func lock() throws(PostgresError) {
        let taken = try connection.query(
            "SELECT pg_catalog.pg_try_advisory_lock(\(ProgressTable.lockClass), pg_catalog.hashtext($1))", [name],
            doing: "taking the lock of the position")
        if taken.text(0, 0) == "t" { return }
        throw PostgresError(
            .server, "the position \"\(name)\" is in use by the session with PID \(try holder())",
            sqlState: .objectInUse)
    }

    private func holder() throws(PostgresError) -> String {
        try connection.query(
            """
            SELECT pid FROM pg_catalog.pg_locks
             WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND classid::int8 = \(ProgressTable.lockClass)
               AND objid::int8 = pg_catalog.hashtext($1)::int8 & 4294967295
               AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
            """, [name], doing: "looking for the holder of the position"
        ).text(0, 0) ?? "unknown"
    }

    /// Says what the role lacks, as the statement that gives it, or who holds the position.
    static func explain(_ error: PostgresError, _ connection: Connection) -> ApplyError {
        switch error.sqlState {
        case .objectInUse: ReplicationOrigin.busy(error)
        case .insufficientPrivilege:
            ApplyError(.privilege, TargetPrivileges.progressAdvice(connection, error), cause: error)
        default: ApplyError(error, batch: nil, table: nil)
        }
    }
}
