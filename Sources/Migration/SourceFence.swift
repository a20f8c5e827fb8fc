import Catalog
import Failpoints
import Logging
import Observability
import Postgres
import Spool
import Threading

/// Keeps the application from writing to the source during a switchover: new transactions of the database are read-only,
/// and the sessions that there are end. A superuser's session can still set itself to write.
public struct SourceFence: Sendable {
    private let source: ConnectionString
    private let spool: SpoolDirectory
    /// The database was read-only before, by someone else.
    private let wasThere: Bool
    /// What the database is in the migration, for messages.
    private var side = "source"
    private static let attempts = 5

    /// What lets the source be written to again. A session of that very database begins read-only itself.
    public static func undo(_ database: String) -> String {
        "BEGIN READ WRITE; \(reset(database)); COMMIT;"
    }

    private static func reset(_ database: String) -> String {
        "ALTER DATABASE \(Quoting.identifier(database)) RESET default_transaction_read_only"
    }

    /// Makes the database read-only, and ends all other sessions in it but ours, by which changes are still received.
    ///
    /// The journal says so first: what a switchover that is killed leaves is known to be ours.
    /// - Parameter connection: a session with the source, by ``connect(_:)``.
    static func raise(
        _ source: ConnectionString, on connection: Connection, _ spool: SpoolDirectory, _ logger: Logger,
        side: String = "source"
    ) throws -> SourceFence {
        let doing = "making the \(side) read-only"
        let before = try connection.execute(
            """
            SELECT 1 FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
             WHERE d.datname = pg_catalog.current_database() AND s.setrole = 0
               AND 'default_transaction_read_only=on' = ANY (s.setconfig)
            """, doing: doing)
        let database = Quoting.identifier(connection.database)
        let isOurs = try CloneJournal.read(spool)?.fencedAt != nil
        let fence = SourceFence(source: source, spool: spool, wasThere: before.rowCount > 0 && !isOurs, side: side)
        // By the source's clock, which its sessions' beginnings are told by.
        let moment = try connection.execute("SELECT pg_catalog.clock_timestamp()", doing: doing).text(0, 0) ?? ""
        if !fence.wasThere { try Self.note((Timestamp(moment) ?? .now).description, spool) }
        try connection.execute("ALTER DATABASE \(database) SET default_transaction_read_only = on", doing: doing)
        Failpoint.afterFence.reach()
        do {
            let count = try endSessions(connection, logger)
            logger.info("the \(side) is read-only", metadata: ["sessions ended": "\(count)"])
        } catch {
            fence.lower(logger)
            throw error
        }
        return fence
    }

    /// Lowers the fence that a switchover left which was killed.
    static func lowerLeftover(_ source: ConnectionString, _ spool: SpoolDirectory, _ logger: Logger) throws {
        guard try CloneJournal.read(spool)?.fencedAt != nil else { return }
        logger.warning("a switchover that was interrupted has left the source read-only")
        lower(source, spool, logger, side: "source")
    }

    /// Lowers the fence that the spool's journal tells of.
    static func lower(_ source: ConnectionString, _ spool: SpoolDirectory, _ logger: Logger, side: String) {
        SourceFence(source: source, spool: spool, wasThere: false, side: side).lower(logger)
    }

    private static func note(_ moment: String?, _ spool: SpoolDirectory) throws {
        guard try CloneJournal.read(spool) != nil else { return }
        try CloneJournal.update(spool) { $0.fencedAt = moment }
    }

    /// Lets the application write to the source again. What keeps it from that is said, with the statement to run.
    func lower(_ logger: Logger) {
        let database = source.parameters["dbname"] ?? "…"
        guard !wasThere else {
            return logger.warning("the \(side) stays read-only, as it was before; to undo that: \(Self.undo(database))")
        }
        for attempt in 1...Self.attempts {
            do {
                let connection = try Self.connect(source)
                try connection.execute(
                    Self.reset(connection.database), doing: "letting the \(side) be written to again")
                let freed = try freeSessions(connection)
                try Self.note(nil, spool)
                if freed > 0 {
                    logger.info("ended \(Figures.counted(freed, "session")) that began while the \(side) was read-only")
                }
                return logger.warning("the \(side) can be written to again")
            } catch {
                guard attempt == Self.attempts else {
                    _ = Polling.wait(-1, until: .after(milliseconds: 1_000))
                    continue
                }
                logger.error("the \(side) may still be read-only (\(error)); run there: \(Self.undo(database))")
            }
        }
    }

    /// A session keeps the default that it began with: those that began under the fence would stay read-only for as long
    /// as they last. Ended, an application connects again and can write.
    private func freeSessions(_ connection: Connection) throws -> Int {
        guard let raised = try CloneJournal.read(spool)?.fencedAt else { return 0 }
        let sessions = OtherSessions(source: connection)
        return try sessions.list(since: raised, besidesOurs: true).count { try sessions.end($0) }
    }

    /// A session that may write all the same.
    static func connect(_ source: ConnectionString) throws -> Connection {
        let connection = try Connection(source, applicationName: DatabaseSession.applicationName)
        // A fence that was lowered stays down, when the source crashes too.
        try connection.set("synchronous_commit", to: "local")
        return connection
    }

    /// A session that has begun to write may commit before it ends; so all are waited for. Those that the role may not end,
    /// as a service's own, are passed over: if they have written something, that is waited for later, and refused.
    private static func endSessions(_ connection: Connection, _ logger: Logger) throws -> Int {
        let sessions = OtherSessions(source: connection)
        var ended: Set<Int> = []
        var spared: Set<Int> = []
        let patience = Deadline.after(milliseconds: 30_000)
        // Applications wait for this; most sessions end at once.
        var pause = 2
        while true {
            var left = 0
            for session in try sessions.list(besidesOurs: true) where !spared.contains(session.pid) {
                if try sessions.end(session) {
                    ended.insert(session.pid)
                    left += 1
                } else {
                    spared.insert(session.pid)
                    logger.warning("\(Self.words(of: session))")
                }
            }
            guard left > 0 else { return ended.count }
            guard !patience.hasPassed else {
                throw ProgramFailure(.conflict, "\(left) sessions on the source do not end; end them yourself")
            }
            _ = Polling.wait(-1, until: .after(milliseconds: pause))
            pause = min(50, pause * 2)
        }
    }

    /// What is said of a session that stays.
    static func words(of session: OtherSessions.Session) -> String {
        "\(session.name) on the source may not be ended by this role; "
            + (session.isWriting
                ? "it has written something, and its end is waited for" : "it writes nothing, and stays")
    }

    /// What is said of roles with a setting of their own by which their transactions may write, whatever the database's says;
    /// and how to take these settings away. Nil when there are none.
    static func writingRoles(_ connection: Connection) throws -> (words: String, remedy: String)? {
        let found = try connection.execute(
            """
            SELECT pg_catalog.quote_ident(r.rolname), pg_catalog.concat('ALTER ROLE ', pg_catalog.quote_ident(r.rolname),
                     ' IN DATABASE ' OPERATOR(pg_catalog.||) pg_catalog.quote_ident(d.datname),
                     ' RESET default_transaction_read_only;')
              FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) s.setrole
              LEFT JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) s.setdatabase
             WHERE r.rolcanlogin AND (s.setdatabase OPERATOR(pg_catalog.=) 0
                     OR d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
               AND EXISTS (SELECT FROM pg_catalog.unnest(s.setconfig) c
                    WHERE c OPERATOR(pg_catalog.~*) '^default_transaction_read_only='
                      AND c OPERATOR(pg_catalog.!~*) '=(on|tr?u?e?|ye?s?|1)$') ORDER BY 1, 2
            """, doing: "looking at settings of roles")
        guard found.rowCount > 0 else { return nil }
        let remedies = (0..<found.rowCount).compactMap { found.text($0, 1) }
        return (
            "\(Figures.some(found.column())): these roles have default_transaction_read_only = off by a setting of their own, so "
                + "that clone switchover --fence does not keep them from writing",
            "run on the source: \(remedies.joined(separator: " "))"
        )
    }

    /// What a role lacks to raise the fence, as statements.
    static func missingGrants(_ connection: Connection) throws -> [String] {
        let database = Quoting.identifier(connection.database)
        let role = Quoting.identifier(connection.user)
        var grants: [String] = []
        do throws(PostgresError) {
            try connection.execute("BEGIN", doing: "trying to make the source read-only")
            defer { _ = try? connection.execute("ROLLBACK", doing: "rolling back") }
            try connection.execute(
                "ALTER DATABASE \(database) SET default_transaction_read_only = on",
                doing: "trying to make the source read-only")
        } catch {
            guard error.sqlState == .insufficientPrivilege else { throw error }
            let owner = try connection.execute(
                """
                SELECT r.rolname, r.rolsuper FROM pg_catalog.pg_database d JOIN pg_catalog.pg_roles r ON r.oid = d.datdba
                 WHERE d.datname = pg_catalog.current_database()
                """, doing: "looking for the database's owner")
            if let name = owner.text(0, 0), owner.text(0, 1) != "t" {
                grants.append("GRANT \(Quoting.identifier(name)) TO \(role);")
            } else {
                grants.append("ALTER DATABASE \(database) OWNER TO \(role);")
            }
        }
        let maySignal = try connection.execute(
            """
            SELECT pg_catalog.pg_has_role('pg_signal_backend', 'USAGE')
            """, doing: "asking whether sessions may be ended")
        if maySignal.text(0, 0) != "t" { grants.append("GRANT pg_signal_backend TO \(role);") }
        return grants
    }
}
