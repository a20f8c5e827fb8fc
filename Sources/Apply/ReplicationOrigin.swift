import Postgres

/// The replication origin on the target: how far the source's history was applied, in the same transactions as the
/// rows. One session at a time may advance it.
final class ReplicationOrigin: TargetProgress {
    /// What replay calls, without `pg_replication_origin_`.
    static let functions = ["create", "session_setup", "session_progress", "progress", "xact_setup"]

    /// The origin's name.
    let name: String
    private let connection: Connection

    /// Makes the origin if it is missing, and takes it for this session.
    ///
    /// - Parameter wait: how to wait for another session that holds it.
    /// - Throws: ``ApplyError`` with `privilege` (and the GRANTs to run) or `originBusy` (and who holds it).
    init(name: String, _ connection: Connection, wait: PositionWait) throws(ApplyError) {
        self.name = name
        self.connection = connection
        do throws(PostgresError) {
            let known = try connection.query(
                "SELECT 1 FROM pg_catalog.pg_replication_origin WHERE roname = $1", [name],
                doing: "looking for the replication origin")
            if known.rowCount == 0 { try create() }
            try wait("replication origin", name, setUp)
        } catch {
            throw explain(error)
        }
    }

    /// How far the source's history was applied, durably; nil when nothing was.
    func position() throws(ApplyError) -> LSN? {
        do throws(PostgresError) {
            return try connection.replicationOriginProgress(name)
        } catch {
            throw explain(error)
        }
    }

    /// The batches' own text moves the origin.
    func replaces(_ statement: UnsafeRawBufferPointer) -> Bool { false }

    func move(from: LSN?, to: LSN, committedAt: String?) -> String? { nil }

    func movesAlone(to end: LSN, committedAt: String?) -> [String] {
        let time = Quoting.literal(committedAt ?? "2000-01-01 00:00:00+00")
        return [
            "SELECT pg_catalog.pg_replication_origin_xact_setup('\(end)', \(time));",
            BatchTransaction.takesID,
        ]
    }

    private func create() throws(PostgresError) {
        do throws(PostgresError) {
            try connection.query(
                "SELECT pg_catalog.pg_replication_origin_create($1)", [name], doing: "creating the replication origin")
        } catch {
            // Another session made it in between; whose it is shows when it is taken.
            guard error.sqlState == .duplicateObject || error.sqlState?.rawValue == "23505" else { throw error }
        }
    }

    private func setUp() throws(PostgresError) {
        try connection.query(
            "SELECT pg_catalog.pg_replication_origin_session_setup($1)", [name], doing: "taking the replication origin")
    }

    private func explain(_ error: PostgresError) -> ApplyError {
        switch error.sqlState {
        case .objectInUse: ReplicationOrigin.busy(error)
        case .insufficientPrivilege:
            ApplyError(
                .privilege,
                TargetPrivileges.originAdvice(connection, functions: ReplicationOrigin.functions, error), cause: error)
        default: ApplyError(error, batch: nil, table: nil)
        }
    }

    /// Says who holds the position.
    static func busy(_ error: PostgresError) -> ApplyError {
        // The number that ends the message is the process that holds the origin, in every language.
        let holder = error.message.split(whereSeparator: { !$0.isNumber }).last.map(String.init) ?? "<its PID>"
        return ApplyError(
            .originBusy,
            "\(error.message); another replay may still run: let it end, or on the target run "
                + "SELECT pg_terminate_backend(\(holder));", cause: error)
    }
}
