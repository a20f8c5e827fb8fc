import Logging
import Postgres
import Threading

/// Decides where the position is kept. What is there already decides first: a position must not be left behind in one
/// place while the other begins anew, or rows would be applied twice.
///
///     the table has a position     the table
///     the origin exists            the origin; a role that may not use it gets the GRANT
///     neither                      the origin, where the role may use origins; else the table
struct ProgressChoice {
    let connection: Connection
    /// The name of the origin, also in the table.
    let name: String

    init(_ connection: Connection, name: String) {
        self.connection = connection
        self.name = name
    }

    /// Takes hold of the progress for this session.
    func take(_ options: ApplyOptions, stop: StopRequest?, logger: Logger) throws(ApplyError) -> any TargetProgress {
        let wait = PositionWait(seconds: options.originWaitSeconds, stop: stop, logger: logger)
        guard try prefersTable(options) else {
            return try ReplicationOrigin(name: name, connection, wait: wait)
        }
        return try ProgressTable(name: name, connection, wait: wait)
    }

    private func prefersTable(_ options: ApplyOptions) throws(ApplyError) -> Bool {
        do throws(PostgresError) {
            if try connection.progressTablePosition(name) != nil { return true }
            if try connection.hasReplicationOrigin(name) {
                guard options.usesProgressTable else { return false }
            } else {
                if options.usesProgressTable { return true }
                return try !mayUseOrigins()
            }
        } catch {
            throw ProgressTable.explain(error, connection)
        }
        let literal = Quoting.literal(name)
        throw ApplyError(
            .unsuitableSession,
            "the target has a replication origin \(Quoting.identifier(name)), which may have a position already; leave "
                + "out --progress-table, or drop it: SELECT pg_replication_origin_drop(\(literal));")
    }

    private func mayUseOrigins() throws(PostgresError) -> Bool {
        let names = ReplicationOrigin.functions.map { "'pg_replication_origin_\($0)'" }.joined(separator: ", ")
        return try connection.execute(
            """
            SELECT pg_catalog.bool_and(pg_catalog.has_function_privilege(oid, 'EXECUTE')) FROM pg_catalog.pg_proc
             WHERE pronamespace = 'pg_catalog'::pg_catalog.regnamespace AND proname IN (\(names))
            """, doing: "asking whether the role may use replication origins"
        ).text(0, 0) == "t"
    }
}
