import Batches
import Failpoints
import Glibc
import Logging
import Postgres

/// One batch on its way into the target: sends its statements in large strings, reads the next while the server works
/// on the last, and compares every reported row count.
final class BatchTransaction {
    private let connection: Connection
    private let batch: String
    private let sendBytes: Int
    private let onMismatch: ApplyOptions.Mismatch
    private let logger: Logger
    private var filling: StatementQueue
    private var inFlight: StatementQueue
    /// The statement in flight whose result comes next.
    private var next = 0
    /// COPYs in what was sent before.
    private var copiesBefore = 0
    /// The data of the last COPY of ``filling`` is still coming.
    private var isHolding = false
    /// The data of the last COPY of ``inFlight`` is sent as it comes.
    private var isCopying = false
    /// Rows that the server reported as changed.
    private(set) var rows = 0
    /// Statements that changed another number of rows than on the source, and were let pass.
    private(set) var mismatches = 0
    /// Text and COPY data sent, in bytes.
    private(set) var bytes = 0

    init(
        _ link: TargetLink, batch: String, options: ApplyOptions, logger: Logger
    ) throws(ApplyError) {
        connection = try link.connection()
        self.batch = batch
        sendBytes = link.sendBytes
        onMismatch = options.onMismatch
        self.logger = logger
        filling = StatementQueue(capacity: sendBytes)
        inFlight = StatementQueue(capacity: sendBytes)
    }

    func append(
        _ statement: UnsafeRawBufferPointer, expectedRows: Int?, purpose: StatementQueue.Purpose = .rows
    ) throws(ApplyError) {
        try check(statement)
        filling.append(statement, expectedRows: expectedRows, purpose: purpose)
        if filling.byteCount >= sendBytes { try submit() }
    }

    private func check(_ statement: UnsafeRawBufferPointer) throws(ApplyError) {
        // A zero byte would end the string early, and the statements behind it would be lost.
        if let base = statement.baseAddress, memchr(base, 0, statement.count) != nil {
            throw ApplyError(
                .malformedInput, "a statement contains a zero byte; write the batches again with transform",
                batch: batch)
        }
    }

    /// Sends a statement of our own, without its semicolon.
    func append(_ statement: String) throws(ApplyError) {
        try append(statement, expectedRows: nil, .rows)
    }

    /// Sends a statement about the position, which must report one row.
    func append(_ statement: String, _ purpose: StatementQueue.Purpose) throws(ApplyError) {
        try append(statement, expectedRows: 1, purpose)
    }

    private func append(
        _ statement: String, expectedRows: Int?, _ purpose: StatementQueue.Purpose
    ) throws(ApplyError) {
        try Array("\(statement);".utf8).span.withUnsafeBytes { bytes throws(ApplyError) in
            try append(bytes, expectedRows: expectedRows, purpose: purpose)
        }
    }

    /// Sends what the event says.
    func perform(_ event: BatchEvent) throws(ApplyError) {
        switch event {
        case .statement(let sql, let rows): try append(sql, expectedRows: rows)
        case .copy(let sql, let rows): try beginCopy(sql, expectedRows: rows)
        case .copyData(let data): try copyData(data)
        case .copyEnd: try endCopy()
        default: break
        }
    }

    private func beginCopy(_ statement: UnsafeRawBufferPointer, expectedRows: Int?) throws(ApplyError) {
        try check(statement)
        filling.beginCopy(statement, expectedRows: expectedRows)
        isHolding = true
    }

    /// A COPY takes a round trip until the server asks for its data, and one until it has answered. With its data at hand
    /// it travels in the same string as what is around it; only when there is more data than that, the rest is sent as
    /// it comes.
    private func copyData(_ data: UnsafeRawBufferPointer) throws(ApplyError) {
        guard isHolding else { return try put(data) }
        filling.appendCopyData(data)
        guard filling.byteCount >= sendBytes else { return }
        isHolding = false
        filling.leaveCopyOpen()
        try submit()
        isCopying = true
    }

    private func endCopy() throws(ApplyError) {
        if isCopying {
            isCopying = false
            try endData()
        } else {
            isHolding = false
            if filling.byteCount >= sendBytes { try submit() }
        }
    }

    private func put(_ data: UnsafeRawBufferPointer) throws(ApplyError) {
        bytes += data.count
        do throws(PostgresError) {
            try connection.putCopyData(data, doing: "copying rows")
        } catch {
            throw refused(ApplyError(error, batch: batch, table: inFlight.table(next)))
        }
    }

    private func endData() throws(ApplyError) {
        do throws(PostgresError) {
            try connection.endCopy(doing: "copying rows")
        } catch {
            throw refused(ApplyError(error, batch: batch, table: inFlight.table(next)))
        }
    }

    /// Waits until all that was sent is done, and every row count was as expected.
    func settle() throws(ApplyError) {
        if !filling.isEmpty { try submit() }
        try collect()
    }

    /// Commits, once every row count was as expected.
    func commit() throws(ApplyError) {
        try settle()
        Failpoint.beforeCommit.reach()
        let doing = "committing the batch"
        do throws(PostgresError) {
            try Array("COMMIT\0".utf8).span.withUnsafeBytes { bytes throws(PostgresError) in
                try connection.send(zeroTerminated: bytes, doing: doing)
            }
            Failpoint.duringCommit.reach()
            let tag = try connection.nextResult(doing: doing)?.commandTag ?? ""
            while try connection.nextResult(doing: doing) != nil {}
            guard tag == "COMMIT", !connection.isInTransaction else {
                throw PostgresError(.unexpectedAnswer, "the server answered \(tag)", doing: doing)
            }
        } catch {
            throw ApplyError(error, batch: batch, table: nil)
        }
        Failpoint.afterCommit.reach()
    }

    /// Undoes what was sent. What fails here was about to be undone anyway, or the connection is gone, which the next
    /// statement will say.
    func rollback() {
        if isCopying { try? connection.endCopy(failing: "the batch is rolled back", doing: "ending a COPY") }
        isCopying = false
        // A COPY to the client would also continue for ever; the next statement ends it.
        while let result = try? connection.nextResult(doing: "rolling back"), !result.isCopyOut {
            // A COPY that nobody has announced would be answered like this for ever.
            if result.isCopyIn { try? connection.endCopy(failing: "the batch is rolled back", doing: "ending a COPY") }
        }
        filling.removeAll()
        inFlight.removeAll()
        isHolding = false
        _ = try? connection.execute("ROLLBACK", doing: "rolling back")
    }

    /// Sends what was collected, after the results of what was sent before are in. Returns when the server has all of
    /// it that there is, also the data of its COPYs.
    private func submit() throws(ApplyError) {
        try collect()
        swap(&filling, &inFlight)
        inFlight.terminate()
        do throws(PostgresError) {
            try inFlight.withBytes { sql throws(PostgresError) in
                bytes += sql.count - 1
                try connection.send(zeroTerminated: sql, doing: "applying statements")
            }
        } catch {
            throw ApplyError(error, batch: batch, table: nil)
        }
        Failpoint.afterStatements.reach()
        if inFlight.copyCount > 0 { try takeResults(copies: inFlight.copyCount) }
    }

    /// Waits for the results of what is in flight and compares their row counts.
    private func collect() throws(ApplyError) {
        guard !inFlight.isEmpty else { return }
        try takeResults(copies: nil)
        guard next == inFlight.count else { throw malformedLine() }
        copiesBefore += inFlight.copyCount
        inFlight.removeAll()
        next = 0
    }

    private func refused(_ error: ApplyError) -> ApplyError {
        var error = error
        // What cannot be read is refused as a whole, before any of it is done.
        let isUnreadable = error.cause?.sqlState == .syntaxError || error.cause?.sqlState == .characterNotInRepertoire
        let isCopy = next < inFlight.count && inFlight[next].isCopy
        let line = isCopy ? error.cause.flatMap { RefusedStatement.line(in: $0.context) } : nil
        let isWhole = isUnreadable && line == nil
        guard let sql = isWhole ? inFlight.all : inFlight.statement(next) else { return error }
        var refused = RefusedStatement(sql: sql)
        if isCopy && !isWhole {
            refused.copyNumber = copiesBefore + inFlight.copies(through: next)
            refused.copyLine = line
        }
        error.refused = refused
        return error
    }

    /// Takes results as they come, until the data of so many COPYs is sent; all of them for nil.
    private func takeResults(copies: Int?) throws(ApplyError) {
        var sent = 0
        while let result = try nextResult() {
            guard next < inFlight.count, !result.isCopyIn || inFlight[next].isCopy else { throw malformedLine() }
            if result.isCopyIn {
                // The COPY has its result after its data.
                sent += 1
                try inFlight.withCopyData(next) { data throws(ApplyError) in try put(data) }
                let isOpen = inFlight.isLastCopyOpen && sent == inFlight.copyCount
                if !isOpen { try endData() }
                if sent == copies { return }
                continue
            }
            let entry = inFlight[next]
            if let expected = entry.expectedRows {
                do throws(ApplyError) {
                    try compare(result.affectedRows, expected, inFlight.table(next), entry.purpose)
                } catch {
                    throw refused(error)
                }
            }
            next += 1
        }
    }

    private func nextResult() throws(ApplyError) -> QueryResult? {
        let isCopy = next < inFlight.count && inFlight[next].isCopy
        do throws(PostgresError) {
            return try connection.nextResult(doing: isCopy ? "copying rows" : "applying a statement")
        } catch {
            throw refused(ApplyError(error, batch: batch, table: inFlight.table(next)))
        }
    }

    private func malformedLine() -> ApplyError {
        ApplyError(
            .malformedInput, "a line holds another number of statements than one; write it again with transform",
            batch: batch)
    }

    private func warn(_ actual: Int, _ expected: Int, _ table: String?) {
        logger.warning(
            "a statement changed another number of rows than on the source; continuing as asked",
            metadata: [
                "batch": "\(batch)", "table": "\(table ?? "")", "changed": "\(actual)", "source": "\(expected)",
            ])
    }

    private func compare(
        _ actual: Int?, _ expected: Int, _ table: @autoclosure () -> String?, _ purpose: StatementQueue.Purpose
    ) throws(ApplyError) {
        guard purpose == .rows else {
            guard actual != expected else { return }
            throw positionMoved(purpose)
        }
        guard actual == expected else {
            if onMismatch != .error, let actual {
                if onMismatch == .warn { warn(actual, expected, table()) }
                mismatches += 1
                rows += actual
                return
            }
            throw ApplyError(
                .rowCountMismatch,
                "a statement changed \(actual.map(String.init) ?? "no") rows where the source changed \(expected): "
                    + "the target's rows differ from the source's (something else writes to it, or the copy was not "
                    + "complete); the batch is rolled back: fix the table, then run it again",
                batch: batch, table: table())
        }
        rows += expected
    }

    private func positionMoved(_ purpose: StatementQueue.Purpose) -> ApplyError {
        let what =
            purpose == .move
            ? "the target's position is not where the batch continues: another session has moved it, or the row in "
                + "walrelay.progress was changed by hand"
            : "the batch moves the target's position by itself, or ends its transaction before its end"
        return ApplyError(
            .positionMoved,
            "\(what). Nothing of the batch is applied. Let one replay alone work on a position; then run it again",
            batch: batch)
    }
}
