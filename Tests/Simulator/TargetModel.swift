import Postgres

/// The target: one session at a time, transactions, and commits that a crash takes back when nobody has flushed them.
final class TargetModel {
    /// The session is gone, and what it had begun with it.
    struct SessionLost: Error {}

    /// What happens to the next COMMIT.
    enum CommitFault {
        case none
        /// The session is lost, and the transaction was rolled back.
        case lostBefore
        /// The session is lost, and the transaction was committed.
        case lostAfter
        /// The server rolls back, as after a deadlock.
        case abort
    }

    private(set) var state = TargetState()
    /// The states since the last flush, the oldest first; the first is on disk.
    private var unflushed: [TargetState] = [TargetState()]
    private var working: TargetState?
    private var transactionID = 0
    /// Where the transaction has moved the position to.
    private var movedTo: LSN?
    private var isLost = false
    /// What the next COMMIT meets.
    var commitFault = CommitFault.none
    /// A rollback moves the position all the same, as it did with replication origins from PostgreSQL 16 on.
    let abortMovesPosition: Bool
    /// Called after each commit.
    /// Is told of each statement, for who repeats a history.
    var tell: ((String) -> Void)?
    var committed: (TargetState) throws -> Void = { _ in }
    var counts = HistoryCounts()

    init(abortMovesPosition: Bool) {
        self.abortMovesPosition = abortMovesPosition
    }

    /// Another session; what the one before had begun is rolled back.
    func connect() {
        if working != nil { rollback() }
        isLost = false
        commitFault = .none
    }

    /// The position, durable.
    func durablePosition() throws -> LSN? {
        if isLost { throw SessionLost() }
        flush()
        return state.progress?.position
    }

    func flush() { unflushed = [state] }

    /// The session ends: killed, or its client is gone.
    func loseSession() {
        rollback()
        isLost = true
    }

    /// The server goes down; commits that were not flushed are gone, the latest first.
    func crash(_ choice: UInt64) {
        let kept = Int(choice % UInt64(unflushed.count))
        counts.lostBatches += unflushed.count - 1 - kept
        state = unflushed[kept]
        unflushed = [state]
        working = nil
        movedTo = nil
        isLost = true
    }

    func rollback() {
        if abortMovesPosition, let movedTo, working != nil {
            state.progress?.position = movedTo
            unflushed.append(state)
        }
        working = nil
        movedTo = nil
    }

    /// Runs one statement without its semicolon. A refusal ends the transaction.
    func execute(_ statement: [UInt8]) throws -> Int? {
        tell?("target: " + String(decoding: statement, as: UTF8.self))
        return try running {
            if statement == Array("BEGIN".utf8) {
                guard working == nil else { throw SQLScanner(statement).unknown("BEGIN inside a transaction") }
                working = state
                transactionID += 1
                return nil
            }
            if statement == Array("COMMIT".utf8) {
                try commit()
                return nil
            }
            if let rows = try position(statement) { return rows }
            guard var now = working else { throw SQLScanner(statement).unknown("a statement outside a transaction") }
            // Not kept twice while it is changed.
            working = nil
            defer { working = now }
            return try now.run(statement)
        }
    }

    func copy(_ statement: [UInt8], _ lines: [UInt8]) throws -> Int {
        tell?("target: " + String(decoding: statement + [0x0A] + lines, as: UTF8.self))
        return try running {
            guard var now = working else { throw SQLScanner(statement).unknown("a COPY outside a transaction") }
            working = nil
            defer { working = now }
            return try now.copy(statement, lines)
        }
    }

    private func running<Result>(_ body: () throws -> Result) throws -> Result {
        if isLost { throw SessionLost() }
        do {
            return try body()
        } catch let error as Refusal {
            rollback()
            throw error
        }
    }

    private func commit() throws {
        let fault = commitFault
        commitFault = .none
        switch fault {
        case .lostBefore:
            counts.lostCommits += 1
            loseSession()
            throw SessionLost()
        case .abort:
            counts.aborts += 1
            loseSession()
            throw SessionLost()
        case .none, .lostAfter: break
        }
        guard let now = working else { throw HistoryFailure("a COMMIT comes outside a transaction") }
        state = now
        working = nil
        movedTo = nil
        unflushed.append(state)
        try committed(state)
        guard fault == .lostAfter else { return }
        counts.lostCommits += 1
        isLost = true
        throw SessionLost()
    }
}

// What concerns the position.
extension TargetModel {
    /// Runs a statement about the position; nil when it is about something else.
    private func position(_ statement: [UInt8]) throws -> Int? {
        var scanner = SQLScanner(statement)
        if scanner.take("WITH moved AS (") {
            let rows = try move(&scanner)
            try scanner.expect(" RETURNING 1) ")
            return try orFail(rows, "moved", &scanner)
        }
        if scanner.take("WITH held AS (") {
            let rows = try look(&scanner)
            try scanner.expect(") ")
            return try orFail(rows, "held", &scanner)
        }
        if scanner.take("INSERT INTO \"walrelay\".\"progress\" ") { return try makeRow(&scanner) }
        var rest = scanner
        if rest.take("UPDATE \"walrelay\".\"progress\" SET position = ") {
            let rows = try move(&scanner)
            try scanner.expectEnd()
            return rows
        }
        guard rest.take("SELECT FROM \"walrelay\".\"progress\" ") else { return nil }
        let rows = try look(&scanner)
        try scanner.expectEnd()
        return rows
    }

    private func orFail(_ rows: Int, _ what: StaticString, _ scanner: inout SQLScanner) throws -> Int {
        try scanner.expect("SELECT CASE WHEN pg_catalog.count(*) OPERATOR(pg_catalog.=) 1 THEN 1 ELSE CAST(")
        scanner.skip(through: "END AS ")
        try scanner.expect(what)
        try scanner.expect(" FROM ")
        try scanner.expect(what)
        try scanner.expectEnd()
        guard rows == 1 else { throw Refusal.position("the target is at \(state.progress?.position ?? .zero)") }
        return 1
    }

    private func lsn(_ scanner: inout SQLScanner) throws -> LSN {
        guard let text = try scanner.literal(), let lsn = LSN(text) else { throw scanner.unknown("no position") }
        return lsn
    }

    /// `WHERE` the row is this stream's, of this log, and at a position.
    private func isRow(_ scanner: inout SQLScanner, _ row: TargetProgress?) throws -> Bool {
        try scanner.expect(" WHERE stream OPERATOR(pg_catalog.=) ")
        let stream = try scanner.literal()
        try scanner.expect(" AND lane OPERATOR(pg_catalog.=) 0 AND log_id OPERATOR(pg_catalog.=) ")
        let log = try scanner.literal()
        try scanner.expect(" AND position OPERATOR(pg_catalog.=) ")
        let position = try lsn(&scanner)
        return row?.stream == stream && row?.logID == log && row?.position == position
    }

    private func move(_ scanner: inout SQLScanner) throws -> Int {
        try scanner.expect("UPDATE \"walrelay\".\"progress\" SET position = ")
        let end = try lsn(&scanner)
        try scanner.expect(", timeline = 1, ")
        if scanner.take("committed_at = ") {
            _ = try scanner.literal()
            try scanner.expect(", ")
        }
        try scanner.expect("applied_at = pg_catalog.clock_timestamp()")
        guard try isRow(&scanner, working?.progress) else { return 0 }
        working?.progress?.position = end
        working?.progress?.movedBy = transactionID
        movedTo = end
        return 1
    }

    /// Holds the row, or looks whether this transaction has moved it.
    private func look(_ scanner: inout SQLScanner) throws -> Int {
        try scanner.expect("SELECT FROM \"walrelay\".\"progress\"")
        let row = working?.progress
        let isThere = try isRow(&scanner, row)
        if scanner.take(" FOR UPDATE") { return isThere ? 1 : 0 }
        try scanner.expect(
            """
             AND xmin::pg_catalog.text OPERATOR(pg_catalog.=) \
            pg_catalog.mod(pg_catalog.txid_current(), 4294967296)::pg_catalog.text
            """)
        return isThere && row?.movedBy == transactionID ? 1 : 0
    }

    /// Makes the stream's row, if there is none.
    private func makeRow(_ scanner: inout SQLScanner) throws -> Int {
        try scanner.expect(
            "(stream, lane, lanes, position, timeline, source_system, source_database, slot, log_id, tool) VALUES (")
        let stream = try scanner.literal()
        try scanner.expect(", 0, 1, ")
        let position = try lsn(&scanner)
        try scanner.expect(", 1")
        var values: [String?] = []
        while scanner.take(", ") { values.append(try scanner.literal()) }
        try scanner.expect(") ON CONFLICT DO NOTHING")
        try scanner.expectEnd()
        guard values.count == 5 else { throw scanner.unknown("another row") }
        let row = TargetProgress(
            stream: stream ?? "", position: position, system: values[0] ?? "", database: values[1] ?? "",
            slot: values[2] ?? "", logID: values[3], movedBy: transactionID)
        if working != nil {
            if working?.progress == nil { working?.progress = row }
        } else if state.progress == nil {
            state.progress = row
            flush()
        }
        return 1
    }
}
