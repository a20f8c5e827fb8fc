import CLibpq

// Several statements in one string of the simple protocol, and COPY … FROM stdin, without waiting in between.
extension Connection {
    /// Sends statements that end with a zero byte and does not wait for their results, which ``nextResult(doing:)``
    /// then returns one by one.
    public func send(zeroTerminated sql: UnsafeRawBufferPointer, doing: String) throws(PostgresError) {
        guard let base = sql.baseAddress, sql.last == 0 else {
            throw PostgresError(.unexpectedAnswer, "the statements do not end with a zero byte", doing: doing)
        }
        activity?.begin()
        defer { activity?.end() }
        guard PQsendQuery(handle, base.assumingMemoryBound(to: CChar.self)) == 1 else { throw failure(doing: doing) }
    }

    /// Waits for the next result of what was sent; nil after the last.
    ///
    /// - Throws: ``PostgresError`` for a statement that failed; no further results follow then.
    public func nextResult(doing: String) throws(PostgresError) -> QueryResult? {
        activity?.begin()
        defer { activity?.end() }
        guard let result = PQgetResult(handle) else {
            guard PQstatus(handle) != CONNECTION_BAD else { throw failure(doing: doing) }
            return nil
        }
        do {
            return try checked(result, doing: doing)
        } catch {
            while let rest = PQgetResult(handle) { PQclear(rest) }
            throw error
        }
    }

    /// Hands every row of a `COPY … TO STDOUT` that has begun to `row`. The bytes live during the call.
    ///
    /// - Throws: what `row` throws; the connection is then in the middle of the COPY, and good for nothing but closing.
    public func copyOut(doing: String, _ row: (UnsafeRawBufferPointer) throws -> Void) throws {
        activity?.begin()
        defer { activity?.end() }
        var bytes: UnsafeMutablePointer<CChar>?
        while true {
            let length = PQgetCopyData(handle, &bytes, 0)
            guard length > 0, let data = bytes else {
                guard length == -1 else { throw failure(doing: doing) }
                return
            }
            defer { PQfreemem(data) }
            try row(UnsafeRawBufferPointer(start: data, count: Int(length)))
        }
    }

    /// Sends COPY data: any bytes, not necessarily whole lines.
    public func putCopyData(_ data: UnsafeRawBufferPointer, doing: String) throws(PostgresError) {
        activity?.begin()
        defer { activity?.end() }
        let sliceBytes = 1 << 20
        var offset = 0
        while offset < data.count, let base = data.baseAddress {
            let count = min(sliceBytes, data.count - offset)
            let start = (base + offset).assumingMemoryBound(to: CChar.self)
            guard PQputCopyData(handle, start, Int32(count)) == 1 else { throw failure(doing: doing) }
            offset += count
        }
    }

    /// Ends the COPY; ``nextResult(doing:)`` then returns its result.
    ///
    /// - Parameter reason: makes the COPY fail with this message; nil ends it well.
    public func endCopy(failing reason: String? = nil, doing: String) throws(PostgresError) {
        guard PQputCopyEnd(handle, reason) == 1 else { throw failure(doing: doing) }
    }
}

extension QueryResult {
    /// The server waits for COPY data.
    public var isCopyIn: Bool { status == PGRES_COPY_IN }
    /// The server sends COPY data.
    public var isCopyOut: Bool { status == PGRES_COPY_OUT }
}
