import Postgres

// What comes before the first batch: the table, the row, and the check that it is this stream's.
extension ProgressSQL {
    /// The first key of the advisory lock that says which session may move a stream's rows.
    public static let lockClass = 2_002_873_458

    /// The second key.
    public var lockKey: String { "pg_catalog.hashtext(\(Quoting.literal(stream)))" }

    /// Makes the table. The schema must be there. Room in its pages lets each move stay on its page.
    public static let createTable =
        "CREATE TABLE \(Connection.progressTable) (stream pg_catalog.text, lane pg_catalog.int4,"
        + " lanes pg_catalog.int4 NOT NULL, position pg_catalog.pg_lsn NOT NULL, timeline pg_catalog.int8 NOT NULL,"
        + " committed_at pg_catalog.timestamptz, source_system pg_catalog.text NOT NULL,"
        + " source_database pg_catalog.text NOT NULL, slot pg_catalog.text NOT NULL, log_id pg_catalog.text,"
        + " applied_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),"
        + " tool pg_catalog.text NOT NULL, PRIMARY KEY (stream, lane)) WITH (fillfactor = 50)"

    /// Makes a lane's row, if there is none.
    public func insertRow(lane: Int = 0, of lanes: Int = 1, at position: LSN, tool: String) -> String {
        let values = [
            Quoting.literal(stream), "\(lane)", "\(lanes)", "'\(position)'", "\(source.timeline)",
            Quoting.literal(source.systemIdentifier), Quoting.literal(source.database), Quoting.literal(source.slot),
            log, Quoting.literal(tool),
        ]
        return "INSERT INTO \(Connection.progressTable) (stream, lane, lanes, position, timeline, source_system,"
            + " source_database, slot, log_id, tool) VALUES (\(values.joined(separator: ", "))) ON CONFLICT DO NOTHING"
    }

    /// Says of all rows that they are of this source and log.
    public func claimRows() -> String {
        "UPDATE \(Connection.progressTable) SET source_system = \(Quoting.literal(source.systemIdentifier)),"
            + " source_database = \(Quoting.literal(source.database)), slot = \(Quoting.literal(source.slot)),"
            + " log_id = \(log), timeline = CASE WHEN timeline OPERATOR(pg_catalog.=) 0 THEN \(source.timeline) ELSE"
            + " timeline END WHERE \(key)"
    }

    /// Waits for transactions that are about to move a row of the stream, and holds the rows until this one ends.
    public func holdRows() -> String { "SELECT FROM \(Connection.progressTable) WHERE \(key) FOR UPDATE" }

    /// Removes the rows of the lanes beside the first.
    public func deleteLanes() -> String {
        "DELETE FROM \(Connection.progressTable) WHERE \(key) AND lane OPERATOR(pg_catalog.>) 0"
    }

    /// Removes all rows of the stream.
    public func deleteRows() -> String { "DELETE FROM \(Connection.progressTable) WHERE \(key)" }

    private var log: String { source.logID.map { Quoting.literal($0) } ?? "NULL" }
}

// What a preamble has, whose client only sees errors.
extension ProgressSQL {
    private var first: String {
        "\(Connection.progressTable) AS p WHERE p.\(key) AND p.lane OPERATOR(pg_catalog.=) 0"
    }

    /// The lines that take the position for the session, or fail with what is wrong.
    ///
    /// - Parameter start: where a target begins that has no position.
    func preparation(start: LSN, tool: String) -> [String] {
        let lines = [
            // Another session may be about to end.
            "SET lock_timeout = '30s'",
            "SELECT pg_catalog.pg_advisory_lock(\(Self.lockClass), \(lockKey))",
            "DO \(Quoting.literal(makeTable))",
            // Durable before anything of the first batch is there: that one's move would not find the row again.
            "BEGIN",
            "SET LOCAL synchronous_commit = local",
            insertRow(at: start, tool: tool),
            holdRows(),
            claimRows() + " AND (\(unclaimed))",
            "COMMIT",
            "SET lock_timeout = '0'",
            "SELECT CASE WHEN \(isOurs) THEN 1 ELSE CAST(pg_catalog.concat('walrelay: the target has the position of"
                + " system ', p.source_system, ', database ', p.source_database, ', slot ', p.slot, ', log ', p.log_id,"
                + " ', timeline ', p.timeline, ', at ', p.position, ', and this text does not continue it: replay says"
                + " what to do') AS pg_catalog.int4) END AS source FROM \(first)",
            "SELECT CAST(pg_catalog.concat('walrelay: a part of what follows ', p.position, ' is on the target already:"
                + " let replay --spool finish it') AS pg_catalog.int4) FROM \(Connection.progressTable) AS l, \(first)"
                + " AND l.stream OPERATOR(pg_catalog.=) p.stream AND l.position OPERATOR(pg_catalog.>) p.position",
        ]
        return lines.map { $0 + ";\n" }
    }

    /// A block that makes schema and table where they are missing: CREATE … IF NOT EXISTS needs the right to create
    /// also where there is nothing to do.
    private var makeTable: String {
        let table =
            "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace"
            + " WHERE n.nspname OPERATOR(pg_catalog.=) 'walrelay' AND c.relname OPERATOR(pg_catalog.=) 'progress'"
        let untrusted = Connection.untrustedQuery.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return
            "BEGIN IF EXISTS (\(untrusted)) THEN RAISE EXCEPTION 'walrelay: what is in the schema walrelay belongs to a"
            + " role that must not act with the rights of this one: replay says what to do'; END IF;"
            + " IF EXISTS (SELECT \(table) AND EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid"
            + " OPERATOR(pg_catalog.=) c.oid AND a.attname OPERATOR(pg_catalog.=) 'origin')) THEN RAISE EXCEPTION"
            + " 'walrelay: the table of positions is of version 0.1: let replay take it over once'; END IF;"
            + " IF NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname OPERATOR(pg_catalog.=) 'walrelay') THEN"
            + " CREATE SCHEMA walrelay; END IF;"
            + " IF NOT EXISTS (SELECT \(table)) THEN \(Self.createTable); END IF;"
            + " IF EXISTS (SELECT FROM pg_catalog.pg_replication_origin WHERE roname OPERATOR(pg_catalog.=)"
            + " \(Quoting.literal(stream))) AND NOT EXISTS (SELECT FROM \(first)) THEN RAISE EXCEPTION 'walrelay: a"
            + " replication origin has the position that version 0.1 left: let replay take it over once'; END IF; END"
    }

    /// Rows that do not say yet whose they are, or not of which log: of version 0.1, or of a copy that has just ended.
    private var unclaimed: String {
        "source_system OPERATOR(pg_catalog.=) '' OR log_id IS NULL"
            + " AND source_system OPERATOR(pg_catalog.=) \(Quoting.literal(source.systemIdentifier))"
            + " AND source_database OPERATOR(pg_catalog.=) \(Quoting.literal(source.database))"
            + " AND slot OPERATOR(pg_catalog.=) \(Quoting.literal(source.slot))"
    }

    private var isOurs: String {
        let log = source.logID.map { "p.log_id OPERATOR(pg_catalog.=) \(Quoting.literal($0))" } ?? "p.log_id IS NULL"
        let timelines =
            ["p.timeline OPERATOR(pg_catalog.=) \(source.timeline)", "p.timeline OPERATOR(pg_catalog.=) 0"]
            + source.history.map { past in
                "p.timeline OPERATOR(pg_catalog.=) \(past.timeline) AND p.position OPERATOR(pg_catalog.<=) '\(past.end)'"
            }
        return "p.source_system OPERATOR(pg_catalog.=) \(Quoting.literal(source.systemIdentifier)) AND"
            + " p.source_database OPERATOR(pg_catalog.=) \(Quoting.literal(source.database)) AND \(log) AND"
            + " (\(timelines.joined(separator: " OR ")))"
    }
}
