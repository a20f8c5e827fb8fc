import Copying
import Logging
import Observability
import Postgres
import Threading

/// Transactions on the source that have written, and whose end could come after the end position of a switchover.
struct InFlight {
    let source: Connection

    /// Transactions that are prepared for a two-phase commit: whoever knows a name may commit it at any time, also while
    /// the database is read-only.
    func prepared() throws -> [String] {
        let result = try source.execute(
            """
            SELECT pg_catalog.format('%L of %I, since %s', gid, owner, prepared) FROM pg_catalog.pg_prepared_xacts
             WHERE database OPERATOR(pg_catalog.=) pg_catalog.current_database() ORDER BY prepared
            """, doing: "looking for prepared transactions")
        return result.column()
    }

    /// Sessions of others in this database whose transaction has written something. Whoever sees the lock of a
    /// transaction need not be allowed to see what the session does.
    func writers() throws -> [String] {
        let result = try source.execute(
            """
            SELECT pg_catalog.concat_ws(', ', pg_catalog.format('process %s of %I', a.pid, a.usename),
                     coalesce(nullif(a.application_name, ''), a.backend_type),
                     pg_catalog.concat('since ', pg_catalog.date_trunc('second', a.xact_start)))
              FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) l.pid
             WHERE l.locktype OPERATOR(pg_catalog.=) 'transactionid' AND l.granted
               AND l.mode OPERATOR(pg_catalog.=) 'ExclusiveLock'
               AND a.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
               AND a.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
               AND a.backend_type IS DISTINCT FROM 'autovacuum worker'
               AND coalesce(a.application_name, '') !~ '^walrelay ' ORDER BY a.xact_start
            """, doing: "looking for open transactions")
        return result.column()
    }

    /// Subscriptions that write to this database by themselves, whatever its applications may do.
    func subscriptions() throws -> [String] {
        let result = try source.execute(
            """
            SELECT s.subname FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d
                ON d.oid OPERATOR(pg_catalog.=) s.subdbid
             WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database() AND s.subenabled ORDER BY 1
            """, doing: "looking for subscriptions")
        return result.column()
    }

    /// Waits until none is left.
    ///
    /// - Throws: ``ProgramFailure`` with `conflict`, which names those that do not end in time.
    func await(seconds: Int, _ stop: StopRequest, _ logger: Logger) throws {
        let patience = Deadline.after(milliseconds: seconds * 1_000)
        var isSaid = false
        while true {
            let (prepared, writers) = (try prepared(), try writers())
            if prepared.isEmpty && writers.isEmpty { return }
            try stop.check()
            if !isSaid {
                logger.info(
                    "waiting for transactions that are open on the source: \(Figures.some(prepared + writers))")
                isSaid = true
            }
            guard !patience.hasPassed else {
                throw prepared.isEmpty ? Self.refusal(writers: writers) : Self.refusal(prepared: prepared)
            }
            _ = Polling.wait(stop.descriptor, until: .after(milliseconds: 50))
        }
    }

    private static func refusal(prepared: [String]) -> ProgramFailure {
        ProgramFailure(
            .conflict,
            "the source has prepared transactions that are neither committed nor rolled back: \(Figures.some(prepared)). "
                + "\(preparedRemedy)")
    }

    private static func refusal(writers: [String]) -> ProgramFailure {
        ProgramFailure(
            .conflict,
            "transactions on the source have written and do not end: \(Figures.some(writers)). What they write would be "
                + "lost: end them, or wait longer with --in-flight-timeout")
    }

    /// What to do about prepared transactions.
    static let preparedRemedy =
        "What they hold would be lost: run COMMIT PREPARED or ROLLBACK PREPARED for each on the source, and try again"
}
