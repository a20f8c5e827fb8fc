extension Cluster {
    /// Runs statements by psql, each in a transaction of its own, returns what they print without the last line feed.
    ///
    /// Columns are separated by `|`, rows by a line feed. psql's commands work too, as does `COPY … FROM STDIN`
    /// followed by its data. The first error ends it.
    /// - Throws: ``ClusterError/sql(_:stderr:)``.
    @discardableResult
    public func sql(
        _ statements: String, database: String = "postgres", timeout: Duration = .seconds(180)
    ) async throws -> String {
        try await sql(Array(statements.utf8), database: database, timeout: timeout)
    }

    /// Runs statements in any encoding, see ``sql(_:database:timeout:)-(String,_,_)``.
    @discardableResult
    public func sql(
        _ statements: [UInt8], database: String = "postgres", timeout: Duration = .seconds(180)
    ) async throws -> String {
        let finished = try await psql(.bytes(statements), database: database, timeout: timeout)
        guard finished.succeeded else {
            throw ClusterError.sql(String(decoding: statements.prefix(2000), as: UTF8.self), stderr: finished.stderr)
        }
        let output = finished.stdout
        return String(decoding: output.last == UInt8(ascii: "\n") ? output.dropLast() : output[...], as: UTF8.self)
    }

    /// The lines that statements print.
    public func sqlLines(_ statements: String, database: String = "postgres") async throws -> [String] {
        let output = try await sql(statements, database: database)
        return output.isEmpty ? [] : lines(of: output + "\n")
    }

    /// Runs psql with these statements on its standard input; a failure is no error.
    public func psql(
        _ input: Stdin,
        database: String = "postgres",
        environment: [String: String] = [:],
        timeout: Duration = .seconds(180)
    ) async throws -> Finished {
        try await Program.run(
            "\(installation.bindir)/psql",
            ["-XqAt", "-v", "ON_ERROR_STOP=1", "-d", connectionString(database: database), "-f", "-"],
            stdin: input,
            environment: installation.environment.merging(["PGCLIENTENCODING": "UTF8"]) { $1 }.merging(environment) {
                $1
            },
            timeout: timeout
        )
    }

    /// Waits until a query prints a value, asking every 20 ms. Errors of the query count as values that do not fit.
    ///
    /// - Throws: ``ClusterError/notReached(query:expected:last:within:)`` with what the query gave last.
    public func awaitSQL(
        _ query: String, equals expected: String, database: String = "postgres", within limit: Duration = .seconds(120)
    ) async throws {
        let deadline = ContinuousClock.now + limit
        while true {
            let last: String
            do {
                last = try await sql(query, database: database)
                if last == expected { return }
            } catch ClusterError.sql(_, let stderr) {
                last = stderr
            }
            if ContinuousClock.now >= deadline {
                throw ClusterError.notReached(query: query, expected: expected, last: last, within: limit)
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Asks for the end of the WAL, as the end of a commit there would be told.
    ///
    /// Where a record ends exactly with a WAL page, that is the page's end, while the server's insert position is already
    /// behind the next page's header (24 bytes, or 40 at the beginning of a segment), which no commit reaches.
    public static let commitPositionQuery = """
        SELECT p - CASE
            WHEN (p - '0/0') % segment = 40 THEN 40 WHEN (p - '0/0') % segment <> 24 AND (p - '0/0') % 8192 = 24 THEN 24
            ELSE 0 END
        FROM pg_current_wal_insert_lsn() p, (SELECT setting::numeric FROM pg_settings WHERE name = 'wal_segment_size') s (segment)
        """
}
