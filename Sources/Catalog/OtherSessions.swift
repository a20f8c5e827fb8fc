import Postgres

/// Sessions of others in the source's database, and what may be done about them.
package struct OtherSessions {
    package struct Session {
        package var pid: Int
        /// Which it is, for people.
        package var name: String
        /// The session's role may end it.
        package var mayBeEnded: Bool
        /// Its transaction has written something.
        package var isWriting: Bool
    }

    package let source: Connection

    package init(source: Connection) {
        self.source = source
    }

    /// What of a session every role may see is its process, its role and its name. `backend_type` is NULL for who may not see
    /// more; what streams from the server is known by another view.
    package static let condition = """
        a.datname OPERATOR(pg_catalog.=) pg_catalog.current_database() AND a.usesysid IS NOT NULL
          AND coalesce(a.backend_type, 'client backend') OPERATOR(pg_catalog.=) 'client backend'
          AND a.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_replication r WHERE r.pid OPERATOR(pg_catalog.=) a.pid)
        """

    /// All of them.
    ///
    /// - Parameter since: only those that began then or later; those of which that is not known are among them.
    package func list(since: String? = nil, besidesOurs: Bool = false) throws -> [Session] {
        var conditions = Self.condition
        if let since {
            conditions +=
                "\nAND (a.backend_start IS NULL OR a.backend_start OPERATOR(pg_catalog.>=) \(Quoting.literal(since))::pg_catalog.timestamptz)"
        }
        if besidesOurs { conditions += "\nAND coalesce(a.application_name, '') !~ '^walrelay '" }
        let result = try source.execute(
            """
            SELECT a.pid, pg_catalog.concat_ws(', ', pg_catalog.format('process %s of %I', a.pid, a.usename),
                     nullif(a.application_name, '')),
                   CASE WHEN me.rolsuper THEN true WHEN o.rolsuper THEN false
                        ELSE pg_catalog.pg_has_role(a.usesysid, 'USAGE')
                             OR pg_catalog.pg_has_role('pg_signal_backend', 'USAGE') END,
                   a.backend_xid IS NOT NULL
                     OR EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.pid OPERATOR(pg_catalog.=) a.pid AND l.granted
                                   AND l.locktype OPERATOR(pg_catalog.=) 'transactionid'
                                   AND l.mode OPERATOR(pg_catalog.=) 'ExclusiveLock')
              FROM pg_catalog.pg_stat_activity a
              JOIN pg_catalog.pg_roles o ON o.oid OPERATOR(pg_catalog.=) a.usesysid
              JOIN pg_catalog.pg_roles me ON me.rolname OPERATOR(pg_catalog.=) CURRENT_USER
             WHERE \(conditions) ORDER BY a.pid
            """, doing: "looking at the source's other sessions")
        return (0..<result.rowCount).compactMap { index in
            guard let pid = result.text(index, 0).flatMap({ Int($0) }), let name = result.text(index, 1) else {
                return nil
            }
            return Session(
                pid: pid, name: name, mayBeEnded: result.text(index, 2) == "t", isWriting: result.text(index, 3) == "t")
        }
    }

    /// Ends a session; false when the role may not.
    package func end(_ session: Session) throws -> Bool {
        do throws(PostgresError) {
            try source.query(
                "SELECT pg_catalog.pg_terminate_backend($1::pg_catalog.int4)", [String(session.pid)],
                doing: "ending \(session.name)")
            return true
        } catch {
            guard error.sqlState == .insufficientPrivilege else { throw error }
            return false
        }
    }
}
