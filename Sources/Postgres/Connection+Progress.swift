extension Connection {
    /// The table that has the positions where the role may not use replication origins, quoted.
    public static let progressTable = "\"walrelay\".\"progress\""

    /// How far replay has come, durably, under the name of a replication origin: by the table where that has the name,
    /// else by the origin. Nil when nothing was replayed under it.
    ///
    /// - Throws: ``PostgresError``, with SQLSTATE 42501 when the role may not look.
    public func replayPosition(_ origin: String) throws(PostgresError) -> LSN? {
        if let position = try progressTablePosition(origin) {
            try makeCommitsDurable()
            return position
        }
        return try replicationOriginProgress(origin)
    }

    /// How far a replication origin has come, durably: the server flushes its WAL first. Nil when there is no such
    /// origin, or nothing was replayed under it.
    ///
    /// - Throws: ``PostgresError``, with SQLSTATE 42501 when the role may not call the origin functions.
    public func replicationOriginProgress(_ origin: String) throws(PostgresError) -> LSN? {
        let doing = "reading the position of replication origin \"\(origin)\""
        // Where there is no origin, the role needs no privilege to learn that.
        guard try hasReplicationOrigin(origin) else { return nil }
        let result = try query(
            """
            SELECT pg_catalog.pg_replication_origin_progress(roname, true)
              FROM pg_catalog.pg_replication_origin WHERE roname OPERATOR(pg_catalog.=) $1
            """, [origin], doing: doing)
        return result.text(0, 0).flatMap { LSN($0) }.flatMap { $0 == .zero ? nil : $0 }
    }

    /// The server has a replication origin of that name, in whatever database it is used.
    public func hasReplicationOrigin(_ name: String) throws(PostgresError) -> Bool {
        try query(
            "SELECT 1 FROM pg_catalog.pg_replication_origin WHERE roname OPERATOR(pg_catalog.=) $1", [name],
            doing: "looking for the replication origin"
        ).rowCount > 0
    }

    /// The database has the table of positions.
    public func hasProgressTable() throws(PostgresError) -> Bool {
        try execute(
            """
            SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = 'walrelay' AND c.relname = 'progress'
            """, doing: "looking for the table of positions"
        ).rowCount > 0
    }

    /// What the table of positions says, as it is committed now; nil where it says nothing of that name.
    public func progressTablePosition(_ name: String) throws(PostgresError) -> LSN? {
        guard try hasProgressTable() else { return nil }
        let result = try query(
            "SELECT position FROM \(Connection.progressTable) WHERE origin OPERATOR(pg_catalog.=) $1", [name],
            doing: "reading the table of positions")
        return result.text(0, 0).flatMap { LSN($0) }
    }

    /// Returns when all that was committed before is durable: the commit of a transaction that waits for its own record
    /// waits for those before it, too.
    public func makeCommitsDurable() throws(PostgresError) {
        try execute(
            """
            BEGIN; SET LOCAL synchronous_commit = local;
            SELECT pg_catalog.pg_logical_emit_message(true, 'walrelay', 'durable'); COMMIT
            """, doing: "waiting for commits to be durable")
    }
}
