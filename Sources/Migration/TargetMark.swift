import Batches
import Postgres

/// The target's own word on the migration that fills it: a row of `walrelay.migration` for each stream.
///
/// A journal may be an old copy, or forged. So nothing that a migration made is dropped on its word alone: the target must
/// say that this very migration is still being copied.
struct TargetMark {
    /// How far the target knows the migration to be.
    enum State: String {
        /// What is in the database was made by the copy, and can be dropped.
        case copying
        /// The copy is complete.
        case following
        /// The migration applies changes to a database that it has not copied.
        case adopted
        /// The switchover was made: applications may write here.
        case switched
    }

    static let table = "\"walrelay\".\"migration\""
    private static let doing = "writing down which migration fills the target"

    private let connection: Connection

    init(_ connection: Connection) {
        self.connection = connection
    }

    /// Names the migration `id` as the one that fills the target. False where the role may not make the table.
    @discardableResult
    func place(_ id: String, stream: String, as state: State = .copying) throws(PostgresError) -> Bool {
        do throws(PostgresError) {
            if try connection.progressTableState() == .none { try run("CREATE SCHEMA walrelay") }
            if try !isThere() {
                try run(
                    "CREATE TABLE \(Self.table) (stream pg_catalog.text PRIMARY KEY, id pg_catalog.text NOT NULL, state "
                        + "pg_catalog.text NOT NULL, changed_at pg_catalog.timestamptz NOT NULL)")
            }
            try run(
                "INSERT INTO \(Self.table) AS m VALUES (\(Quoting.literal(stream)), \(Quoting.literal(id)), '\(state.rawValue)', "
                    + "pg_catalog.clock_timestamp()) ON CONFLICT (stream) DO UPDATE SET id = excluded.id, state = "
                    + "excluded.state, changed_at = excluded.changed_at")
            return true
        } catch {
            guard error.sqlState == .insufficientPrivilege else { throw error }
            return false
        }
    }

    /// How far the target knows the migration `id` to be; nil when it does not know it.
    func state(of id: String) throws(PostgresError) -> State? {
        guard try isThere() else { return nil }
        return try connection.query(
            "SELECT state FROM \(Self.table) WHERE id OPERATOR(pg_catalog.=) $1", [id],
            doing: "asking the target which migration fills it"
        ).text(0, 0).flatMap { State(rawValue: $0) }
    }

    /// Writes down how far the migration is, where it was named before.
    func set(_ state: State, of id: String?) throws(PostgresError) {
        guard let id, try isThere() else { return }
        try run(
            "UPDATE \(Self.table) SET state = '\(state.rawValue)', changed_at = pg_catalog.clock_timestamp() WHERE id "
                + "OPERATOR(pg_catalog.=) \(Quoting.literal(id))")
    }

    /// Forgets the migration of this name; the table goes with the last one, and the schema, when nothing else is in it.
    func remove(_ id: String?) throws(PostgresError) {
        guard let id, try isThere() else { return }
        try run("DELETE FROM \(Self.table) WHERE id OPERATOR(pg_catalog.=) \(Quoting.literal(id))")
        guard try run("SELECT FROM \(Self.table) LIMIT 1").rowCount == 0 else { return }
        for statement in ["DROP TABLE \(Self.table)", "DROP SCHEMA walrelay"] {
            do throws(PostgresError) {
                try connection.dropOwn(statement, doing: Self.doing)
            } catch {
                // An administrator's schema stays, one that has the position in it, and what an event trigger wants to keep.
                guard error.isOfStatement else { throw error }
                return
            }
        }
    }

    /// The target has marks.
    func isThere() throws(PostgresError) -> Bool {
        let found = try connection.execute(
            """
            SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n
                ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
             WHERE n.nspname OPERATOR(pg_catalog.=) 'walrelay' AND c.relname OPERATOR(pg_catalog.=) 'migration'
            """, doing: Self.doing)
        guard found.rowCount > 0 else { return false }
        try connection.checkOwnSchema()
        return true
    }

    @discardableResult
    private func run(_ statement: String) throws(PostgresError) -> QueryResult {
        try connection.execute(statement, doing: Self.doing)
    }
}
