import Batches
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
    private var copyTable: String?
    private var copyRows: Int?
    private var isCopying = false
    /// Rows that the server reported as changed.
    private(set) var rows = 0
    /// Text and COPY data sent, in bytes.
    private(set) var bytes = 0

    init(_ connection: Connection, batch: String, options: ApplyOptions, logger: Logger) {
        self.connection = connection
        self.batch = batch
        sendBytes = options.sendBytes
        onMismatch = options.onMismatch
        self.logger = logger
        filling = StatementQueue(capacity: sendBytes)
        inFlight = StatementQueue(capacity: sendBytes)
    }

    func append(_ statement: UnsafeRawBufferPointer, expectedRows: Int?) throws(ApplyError) {
        // A zero byte would end the string early, and the statements behind it would be lost.
        if let base = statement.baseAddress, memchr(base, 0, statement.count) != nil {
            throw ApplyError(
                .malformedInput, "a statement contains a zero byte; write the batches again with transform",
                batch: batch)
        }
        filling.append(statement, expectedRows: expectedRows)
        if filling.byteCount >= sendBytes { try submit() }
    }

    /// Sends a statement of our own, which reports no row count.
    func append(_ statement: String) throws(ApplyError) {
        var statement = statement
        let result = statement.withUTF8 { bytes in
            Result { () throws(ApplyError) in try append(UnsafeRawBufferPointer(bytes), expectedRows: nil) }
        }
        try result.get()
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
        try append(statement, expectedRows: nil)
        copyTable = StatementLabel.table(of: statement)
        copyRows = expectedRows
        if !filling.isEmpty { try submit() }
        try collect(expectsCopy: true)
        isCopying = true
    }

    private func copyData(_ data: UnsafeRawBufferPointer) throws(ApplyError) {
        bytes += data.count
        do throws(PostgresError) {
            try connection.putCopyData(data, doing: "copying rows")
        } catch {
            throw ApplyError(error, batch: batch, table: copyTable)
        }
    }

    private func endCopy() throws(ApplyError) {
        isCopying = false
        do throws(PostgresError) {
            try connection.endCopy(doing: "copying rows")
        } catch {
            throw ApplyError(error, batch: batch, table: copyTable)
        }
        let result = try nextResult(copyTable)
        while try nextResult(copyTable) != nil {}
        try compare(result?.affectedRows, copyRows, copyTable)
    }

    /// Waits until all that was sent is done, and every row count was as expected.
    func settle() throws(ApplyError) {
        if !filling.isEmpty { try submit() }
        try collect()
    }

    /// Commits, once every row count was as expected.
    func commit() throws(ApplyError) {
        try settle()
        do throws(PostgresError) {
            let tag = try connection.execute("COMMIT", doing: "committing the batch").commandTag
            guard tag == "COMMIT" else {
                throw PostgresError(.unexpectedAnswer, "the server answered \(tag)", doing: "committing the batch")
            }
        } catch {
            throw ApplyError(error, batch: batch, table: nil)
        }
    }

    /// Undoes what was sent. What fails here was about to be undone anyway, or the connection is gone, which the next
    /// statement will say.
    func rollback() {
        if isCopying { try? connection.endCopy(failing: "the batch is rolled back", doing: "ending a COPY") }
        isCopying = false
        // A COPY to the client would also go on for ever; the next statement ends it.
        while let result = try? connection.nextResult(doing: "rolling back"), !result.isCopyOut {
            // A COPY that nobody has announced would be answered like this for ever.
            if result.isCopyIn { try? connection.endCopy(failing: "the batch is rolled back", doing: "ending a COPY") }
        }
        filling.removeAll()
        inFlight.removeAll()
        _ = try? connection.execute("ROLLBACK", doing: "rolling back")
    }

    /// Sends what was collected, after the results of what was sent before are in.
    private func submit() throws(ApplyError) {
        try collect()
        swap(&filling, &inFlight)
        bytes += inFlight.byteCount
        inFlight.terminate()
        do throws(PostgresError) {
            try inFlight.withBytes { bytes throws(PostgresError) in
                try connection.send(zeroTerminated: bytes, doing: "applying statements")
            }
        } catch {
            throw ApplyError(error, batch: batch, table: nil)
        }
    }

    /// Waits for the results of what is in flight and compares their row counts.
    private func collect(expectsCopy: Bool = false) throws(ApplyError) {
        guard !inFlight.isEmpty else { return }
        var index = 0
        while let result = try nextResult(inFlight.table(index)) {
            guard index < inFlight.count, !result.isCopyIn || (expectsCopy && index == inFlight.count - 1) else {
                throw malformedLine()
            }
            if let expected = inFlight[index].expectedRows {
                try compare(result.affectedRows, expected, inFlight.table(index))
            }
            index += 1
            // The COPY has its result after its data.
            if result.isCopyIn { break }
        }
        guard index == inFlight.count else { throw malformedLine() }
        inFlight.removeAll()
    }

    private func nextResult(_ table: @autoclosure () -> String?) throws(ApplyError) -> QueryResult? {
        do throws(PostgresError) {
            return try connection.nextResult(doing: "applying a statement")
        } catch {
            throw ApplyError(error, batch: batch, table: table())
        }
    }

    private func malformedLine() -> ApplyError {
        ApplyError(
            .malformedInput, "a line holds another number of statements than one; write it again with transform",
            batch: batch)
    }

    private func compare(_ actual: Int?, _ expected: Int?, _ table: @autoclosure () -> String?) throws(ApplyError) {
        guard let expected else { return }
        guard actual == expected else {
            if onMismatch == .warn, let actual {
                logger.warning(
                    "a statement changed another number of rows than on the source; going on as asked",
                    metadata: [
                        "batch": "\(batch)", "table": "\(table() ?? "")", "changed": "\(actual)",
                        "source": "\(expected)",
                    ])
                rows += actual
                return
            }
            throw ApplyError(
                .rowCountMismatch,
                "a statement changed \(actual.map(String.init) ?? "no") rows where the source changed \(expected): "
                    + "the target's rows differ from the source's (something else writes to it, or the copy was not "
                    + "complete); the batch is rolled back: mend the table, then run it again",
                batch: batch, table: table())
        }
        rows += expected
    }
}
