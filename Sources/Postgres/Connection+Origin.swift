extension Connection {
    /// How far a replication origin has come, durably: the server flushes its WAL first. Nil when there is no such
    /// origin, or nothing was replayed under it.
    ///
    /// - Throws: ``PostgresError``, with SQLSTATE 42501 when the role may not call the origin functions.
    public func replicationOriginProgress(_ origin: String) throws(PostgresError) -> LSN? {
        let result = try query(
            """
            SELECT pg_catalog.pg_replication_origin_progress(roname, true)
              FROM pg_catalog.pg_replication_origin WHERE roname OPERATOR(pg_catalog.=) $1
            """, [origin], doing: "reading the position of replication origin \"\(origin)\"")
        return result.text(0, 0).flatMap { LSN($0) }.flatMap { $0 == .zero ? nil : $0 }
    }
}
