extension Connection {
    /// The end of the WAL at present: everything that committed before now ends at or before it. On a standby, the end of
    /// what it has replayed.
    ///
    /// - Throws: ``PostgresError``.
    public func currentPosition(doing: String = "asking for the WAL position") throws(PostgresError) -> LSN {
        let result = try execute(
            """
            SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                        ELSE pg_catalog.pg_current_wal_insert_lsn() END
            """, doing: doing)
        guard let position = result.text(0, 0).flatMap({ LSN($0) }) else {
            throw PostgresError(.unexpectedAnswer, "the server has none", doing: doing)
        }
        return position
    }

    /// The server's timeline at present.
    ///
    /// - Throws: ``PostgresError``.
    public func timeline() throws(PostgresError) -> UInt32 {
        let doing = "asking for the timeline"
        // A WAL file's name begins with it.
        let result = try execute(
            """
            SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN
                     (SELECT timeline_id::pg_catalog.text FROM pg_catalog.pg_control_checkpoint())
                   ELSE ('x' OPERATOR(pg_catalog.||) pg_catalog.substr(
                     pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8)
                   )::pg_catalog.bit(32)::pg_catalog.int8::pg_catalog.text END
            """, doing: doing)
        guard let timeline = result.text(0, 0).flatMap({ UInt32($0) }) else {
            throw PostgresError(.unexpectedAnswer, "the server has none", doing: doing)
        }
        return timeline
    }

    /// How long a question and its answer are on their way: the shortest of three times.
    ///
    /// - Throws: ``PostgresError``.
    public func roundTrip() throws(PostgresError) -> Duration {
        var shortest: Duration?
        for _ in 0..<3 {
            let begun = ContinuousClock.now
            try execute("SELECT 1", doing: "measuring the round trip")
            let time = ContinuousClock.now - begun
            shortest = min(shortest ?? time, time)
        }
        return shortest ?? .zero
    }
}
