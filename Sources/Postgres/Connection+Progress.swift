/// A row of `walrelay.progress`: how far one lane of a stream is on this target, and what that is a position of.
public struct ProgressRow: Sendable, Equatable {
    /// 0 for the stream's own position; others for connections that apply beside the first.
    public var lane: Int
    /// How many lanes there are.
    public var lanes: Int
    /// The end of the last commit that the target has.
    public var position: LSN
    /// The source's timeline there.
    public var timeline: UInt32
    /// The source cluster's `system_identifier`.
    public var systemIdentifier: String
    /// The source database.
    public var database: String
    /// The slot that the changes came through.
    public var slot: String
    /// The log that they came through; nil where that is not known yet.
    public var logID: String?

    /// A row with these values.
    public init(
        lane: Int = 0, lanes: Int = 1, position: LSN, timeline: UInt32, systemIdentifier: String, database: String,
        slot: String, logID: String?
    ) {
        self.lane = lane
        self.lanes = lanes
        self.position = position
        self.timeline = timeline
        self.systemIdentifier = systemIdentifier
        self.database = database
        self.slot = slot
        self.logID = logID
    }
}

/// What a database has of the table of positions.
public enum ProgressTableState: Sendable, Equatable {
    /// No schema of ours.
    case none
    /// The schema, which an administrator may have made, without the table.
    case schema
    /// The table of version 0.1, which had one row for a name, and no more than its position.
    case old
    /// The table.
    case present
}

extension Connection {
    /// The table that has the positions, quoted.
    public static let progressTable = "\"walrelay\".\"progress\""

    /// What the database has of the table of positions.
    ///
    /// - Throws: ``PostgresError``, with `untrusted` when schema or table are of a role that must not have them.
    public func progressTableState() throws(PostgresError) -> ProgressTableState {
        let result = try execute(
            """
            SELECT c.oid IS NOT NULL, EXISTS (SELECT FROM pg_catalog.pg_attribute a
                WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attname OPERATOR(pg_catalog.=) 'origin')
              FROM pg_catalog.pg_namespace n LEFT JOIN pg_catalog.pg_class c
                ON c.relnamespace OPERATOR(pg_catalog.=) n.oid AND c.relname OPERATOR(pg_catalog.=) 'progress'
             WHERE n.nspname OPERATOR(pg_catalog.=) 'walrelay'
            """, doing: "looking for the table of positions")
        guard result.rowCount > 0 else { return .none }
        try checkOwnSchema()
        guard result.text(0, 0) == "t" else { return .schema }
        return result.text(0, 1) == "t" ? .old : .present
    }

    /// The rows of a stream, as they are committed now, the first lane's first. None where there is no table.
    ///
    /// - Parameter isKnown: this session has found the table before, and need not look for it again.
    /// - Throws: ``PostgresError``, with SQLSTATE 42501 when the role may not look.
    public func progressRows(_ stream: String, isKnown: Bool = false) throws(PostgresError) -> [ProgressRow] {
        if !isKnown { guard try progressTableState() == .present else { return [] } }
        let doing = "reading the target's position"
        let result = try query(
            """
            SELECT lane, lanes, position, timeline, source_system, source_database, slot, log_id
              FROM \(Connection.progressTable) WHERE stream OPERATOR(pg_catalog.=) $1 ORDER BY lane
            """, [stream], doing: doing)
        var rows: [ProgressRow] = []
        for index in 0..<result.rowCount {
            let row = result.row(index)
            guard let lane = row[0].flatMap({ Int($0) }), let lanes = row[1].flatMap({ Int($0) }),
                let position = row[2].flatMap({ LSN($0) }), let timeline = row[3].flatMap({ UInt32($0) }),
                let system = row[4], let database = row[5], let slot = row[6]
            else { throw PostgresError(.unexpectedAnswer, "the row of walrelay.progress cannot be read", doing: doing) }
            rows.append(
                ProgressRow(
                    lane: lane, lanes: lanes, position: position, timeline: timeline, systemIdentifier: system,
                    database: database, slot: slot, logID: row[7]))
        }
        return rows
    }

    /// How far a stream is on this target, as it is committed now; nil when nothing is known of it.
    ///
    /// - Parameter isKnown: this session has found the position before, so that one question is enough.
    /// - Throws: ``PostgresError``, with SQLSTATE 42501 when the role may not look.
    public func committedPosition(_ stream: String, isKnown: Bool = false) throws(PostgresError) -> LSN? {
        try progressRows(stream, isKnown: isKnown).first { $0.lane == 0 }?.position
    }

    /// The same, once it is durable.
    ///
    /// - Throws: ``PostgresError``, with SQLSTATE 42501 when the role may not look.
    public func durablePosition(_ stream: String) throws(PostgresError) -> LSN? {
        guard let position = try committedPosition(stream) else { return nil }
        try makeCommitsDurable()
        return position
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

// What version 0.1 left.
extension Connection {
    /// The replication origins in which version 0.1 kept the position of a stream, and how far they are. The name of a
    /// connection beside the first ends in `_lane_K_of_N`.
    ///
    /// - Throws: ``PostgresError``, with SQLSTATE 42501 when there are some and the role may not call the functions.
    public func oldOrigins(_ stream: String) throws(PostgresError) -> [(name: String, position: LSN)] {
        let doing = "looking for the replication origin of version 0.1"
        let prefix = "\(stream)_lane_"
        // Where there is none, the role needs no privilege to learn that.
        let found = try query(
            """
            SELECT roname FROM pg_catalog.pg_replication_origin
             WHERE roname OPERATOR(pg_catalog.=) $1
                OR pg_catalog.starts_with(roname, $2) AND pg_catalog.substr(roname, \(prefix.unicodeScalars.count + 1))
                     OPERATOR(pg_catalog.~) '^[0-9]+_of_[0-9]+$'
            """, [stream, prefix], doing: doing)
        var origins: [(name: String, position: LSN)] = []
        for index in 0..<found.rowCount {
            guard let name = found.text(index, 0) else { continue }
            let at = try query("SELECT pg_catalog.pg_replication_origin_progress($1, true)", [name], doing: doing)
            if let position = at.text(0, 0).flatMap({ LSN($0) }) { origins.append((name, position)) }
        }
        return origins
    }

    /// Drops replication origins.
    public func dropOrigins(_ names: [String]) throws(PostgresError) {
        for name in names {
            try query(
                "SELECT pg_catalog.pg_replication_origin_drop($1)", [name],
                doing: "dropping the replication origin of version 0.1")
        }
    }
}
