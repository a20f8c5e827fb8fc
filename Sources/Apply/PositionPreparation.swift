import Batches
import Logging
import Postgres

/// Makes or finds the row that has a stream's position, for the session that is to move it.
struct PositionPreparation {
    private let claim: TargetPosition.Claim
    private let connection: Connection
    private let logger: Logger
    private var sql: ProgressSQL { ProgressSQL(stream: claim.stream, source: claim.source) }

    init(_ claim: TargetPosition.Claim, _ connection: Connection, logger: Logger) {
        self.claim = claim
        self.connection = connection
        self.logger = logger
    }

    /// No row where one must be.
    static let noPosition = PostgresError(
        .unexpectedAnswer, "there is no row of the stream in walrelay.progress", doing: "reading the target's position",
        sqlState: .noData)

    /// Takes the session's lock, or says who has it.
    func lock() throws(PostgresError) {
        let taken = try connection.execute(
            "SELECT pg_catalog.pg_try_advisory_lock(\(ProgressSQL.lockClass), \(sql.lockKey))",
            doing: "taking the target's position")
        if taken.text(0, 0) == "t" { return }
        throw PostgresError(
            .server,
            "the position \(Quoting.identifier(claim.stream)) is in use by the session with PID \(try holder())",
            sqlState: .objectInUse)
    }

    private func holder() throws(PostgresError) -> String {
        try connection.execute(
            """
            SELECT pid FROM pg_catalog.pg_locks
             WHERE locktype OPERATOR(pg_catalog.=) 'advisory' AND granted AND objsubid OPERATOR(pg_catalog.=) 2
               AND classid::pg_catalog.int8 OPERATOR(pg_catalog.=) \(ProgressSQL.lockClass)
               AND objid::pg_catalog.int8
                     OPERATOR(pg_catalog.=) (\(sql.lockKey)::pg_catalog.int8 OPERATOR(pg_catalog.&) 4294967295)
               AND database OPERATOR(pg_catalog.=) (SELECT oid FROM pg_catalog.pg_database
                     WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
            """, doing: "looking for the holder of the position"
        ).text(0, 0) ?? "unknown"
    }

    /// Makes schema and table where they are missing, and brings the table of version 0.1 into the present form.
    func makeTable() throws(PostgresError) {
        let doing = "making the table walrelay.progress"
        let state = try connection.progressTableState()
        do throws(PostgresError) {
            switch state {
            case .present: return
            case .none:
                try connection.execute("CREATE SCHEMA walrelay", doing: doing)
                try connection.execute(ProgressSQL.createTable, doing: doing)
            case .schema: try connection.execute(ProgressSQL.createTable, doing: doing)
            case .old: try convertTable()
            }
        } catch {
            // Another session was faster.
            guard try connection.progressTableState() == .present else { throw error }
            return
        }
        logger.info("made the table walrelay.progress, which has the target's position")
    }

    private func convertTable() throws(PostgresError) {
        let table = Connection.progressTable
        do throws(PostgresError) {
            try connection.execute(
                """
                BEGIN; SET LOCAL synchronous_commit = local;
                ALTER TABLE \(table) RENAME TO progress_of_0_1;
                \(ProgressSQL.createTable);
                INSERT INTO \(table) (stream, lane, lanes, position, timeline, committed_at, source_system,
                    source_database, slot, applied_at, tool)
                  SELECT origin, 0, 1, position, 0, committed_at, '', '', '', moved_at, 'walrelay 0.1'
                    FROM walrelay.progress_of_0_1;
                DROP TABLE walrelay.progress_of_0_1;
                COMMIT
                """, doing: "taking over the table of positions of version 0.1")
        } catch {
            _ = try? connection.execute("ROLLBACK", doing: "rolling back")
            throw error
        }
        logger.info("took over the table of positions of version 0.1")
    }

    /// The first lane's row, once no transaction is about to move any row of the stream; nil where there is none.
    func lockedRow(_ wait: PositionWait) throws(PostgresError) -> ProgressRow? {
        // A lane's commit may still be under way when the session of the first is gone.
        try wait(claim.stream) { () throws(PostgresError) in
            do throws(PostgresError) {
                try connection.execute(
                    "BEGIN; SET LOCAL lock_timeout = '1s'; \(sql.holdRows()); COMMIT",
                    doing: "taking the target's position")
            } catch {
                _ = try? connection.execute("ROLLBACK", doing: "rolling back")
                guard error.sqlState == .lockNotAvailable else { throw error }
                throw PostgresError(
                    .server,
                    "the position \(Quoting.identifier(claim.stream)) is about to be moved by the session with PID "
                        + "\(try mover())", sqlState: .objectInUse)
            }
        }
        return try connection.progressRows(claim.stream).first { $0.lane == 0 }
    }

    /// Who holds a row of the table in a transaction.
    private func mover() throws(PostgresError) -> String {
        try connection.execute(
            """
            SELECT l.pid FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c
                ON c.oid OPERATOR(pg_catalog.=) l.relation AND c.relname OPERATOR(pg_catalog.=) 'progress'
             WHERE l.mode OPERATOR(pg_catalog.=) 'RowExclusiveLock' AND l.pid
                   OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
            """, doing: "looking for the holder of the position"
        ).text(0, 0) ?? "unknown"
    }

    /// The row of a target that had none: at what version 0.1 left, or where the stream begins; nil where neither is.
    func firstRow() throws(PostgresError) -> ProgressRow? {
        let origins = try connection.oldOrigins(claim.stream)
        if let old = origins.first(where: { $0.name == claim.stream })?.position {
            try takeOver(origins, old)
        } else {
            guard let start = claim.start else { return nil }
            try insert([sql.insertRow(at: start, tool: claim.tool)])
        }
        return try connection.progressRows(claim.stream).first { $0.lane == 0 }
    }

    /// Puts the position where the claim says.
    func replaceRow() throws(PostgresError) {
        guard let start = claim.start else { return }
        try insert([sql.deleteRows(), sql.insertRow(at: start, tool: claim.tool)])
    }

    /// Durable before anything of the first batch is there: that one's move would not find the row again after a crash.
    private func insert(_ rows: [String]) throws(PostgresError) {
        let statements = ["BEGIN", "SET LOCAL synchronous_commit = local"] + rows + ["COMMIT"]
        do throws(PostgresError) {
            try connection.execute(statements.joined(separator: ";\n"), doing: "writing the target's position")
        } catch {
            _ = try? connection.execute("ROLLBACK", doing: "rolling back")
            throw error
        }
    }

    private func takeOver(_ origins: [(name: String, position: LSN)], _ position: LSN) throws(PostgresError) {
        let lanes = origins.compactMap { origin -> (lane: Int, of: Int, at: LSN)? in
            // "…_lane_1_of_2"
            let parts = origin.name.split(separator: "_").suffix(3)
            guard origin.name != claim.stream, origin.position > position, let lane = parts.first.flatMap({ Int($0) }),
                let count = parts.last.flatMap({ Int($0) })
            else { return nil }
            return (lane, count, origin.position)
        }
        try insert(
            [sql.insertRow(at: position, tool: claim.tool)]
                + lanes.map { sql.insertRow(lane: $0.lane, of: $0.of, at: $0.at, tool: claim.tool) })
        // Dropping forgets the position at once, whatever becomes of the transaction: so only after the row is durable.
        try connection.dropOrigins(origins.map(\.name))
        logger.warning(
            """
            took over the position \(position) from the replication origin \(Quoting.identifier(claim.stream)) of version \
            0.1, and dropped that
            """)
        guard connection.serverVersion >= 160_000 else { return }
        logger.warning(
            """
            version 0.1 loses changes on a target of PostgreSQL 16 or newer whenever a batch is rolled back: compare the \
            rows of both sides (clone compare) before you rely on this target
            """)
    }

    /// Writes down what the position is of, where the row does not say that yet, or the user accepts another log. False
    /// where there was nothing to do.
    func claim(_ row: ProgressRow) throws(PostgresError) -> Bool {
        guard row.isUnclaimed || row.logID != claim.source.logID else { return false }
        try insert([sql.claimRows()])
        return true
    }

    /// Says what the role lacks, as the statement that gives it, or who holds the position.
    func explain(_ error: PostgresError) -> ApplyError {
        switch error.sqlState {
        case _ where error.code == .untrusted: ApplyError(.privilege, error.description, cause: error)
        case .noData:
            ApplyError(
                .gap,
                "the target has no position \(Quoting.identifier(claim.stream)) (any more): its row in walrelay.progress is "
                    + "gone. Nothing is applied; if the database was restored or made again, start from a new copy",
                cause: error)
        case .objectInUse:
            ApplyError(
                .positionBusy,
                "\(error.message); another replay may still run: let it end, or on the target run SELECT "
                    + "pg_catalog.pg_terminate_backend(\(error.message.split { !$0.isNumber }.last ?? "its PID"));",
                cause: error)
        case .insufficientPrivilege:
            ApplyError(.privilege, TargetPrivileges.progressAdvice(connection, error), cause: error)
        default: ApplyError(error, batch: nil, table: nil)
        }
    }
}
