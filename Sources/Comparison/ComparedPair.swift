import Capture
import Catalog
import Copying
import Catalog
import Observability
import Postgres
import Spool
import Threading

/// One thread's sessions with both sides.
package final class ComparedPair {
    /// The name of the target's position.
    package let stream: String
    package let source: Connection
    package let target: Connection
    package let hash: String

    package init(_ servers: ServerPair, stream: String) throws {
        self.stream = stream
        source = try DatabaseSession.connect(servers.source, encoding: "UTF8")
        target = try DatabaseSession.connect(servers.target, encoding: "UTF8")
        // The faster one is the same in all versions that have it. It is of bytes: of two encodings, the characters are
        // compared as UTF8 has them. SQL_ASCII knows no characters.
        let doing = "asking for the encoding"
        let encodings = try [source, target].map {
            try $0.execute("SHOW server_encoding", doing: doing).text(0, 0) ?? ""
        }
        let isTranslated = encodings[0] != encodings[1] && !encodings.contains("SQL_ASCII")
        let hasExtended = !isTranslated && min(source.serverVersion, target.serverVersion) >= 110_000
        let text = isTranslated ? "pg_catalog.convert_to((%)::pg_catalog.text, 'UTF8')" : "(%)::pg_catalog.text"
        hash =
            hasExtended
            ? "pg_catalog.hashtextextended((%)::pg_catalog.text COLLATE \"C\", 0)"
            : "('x' || pg_catalog.substr(pg_catalog.md5(\(text)), 1, 16))::pg_catalog.bit(64)::pg_catalog.int8"
    }

    package func compare(_ table: CopiedTable, isFollowed: Bool, _ stop: StopRequest) throws -> DataComparison.Result {
        var result = DataComparison.Result(table: table.name, state: .missing, sourceRows: 0, targetRows: 0)
        var last: [String?] = []
        for attempt in 1...DataComparison.attempts {
            let ours = try total(source, table)
            result.sourceRows = ours[0].flatMap { Int($0) } ?? 0
            do {
                if attempt > 1 { try awaitTarget(stop) }
                let theirs = try total(target, table)
                result.targetRows = theirs[0].flatMap { Int($0) } ?? 0
                result.state = ours == theirs ? .equal : attempt > 1 && ours != last ? .changing : .differs
            } catch let error as PostgresError where error.sqlState?.errorClass == "42" {
                result.rows = [error.message]
                return result
            }
            if result.state == .equal || !isFollowed { break }
            last = ours
        }
        if result.state == .differs { result.rows = try differingRows(table) }
        return result
    }

    /// Waits until the target has what the source had when it was asked.
    private func awaitTarget(_ stop: StopRequest) throws {
        let wanted = try source.currentPosition(doing: "taking a position")
        // Something must pass the position, on a source that is idle too.
        try source.execute(
            "SELECT pg_catalog.pg_logical_emit_message(true, 'walrelay', 'compare')", doing: "passing a position")
        let patience = Deadline.after(milliseconds: 30_000)
        while try target.committedPosition(stream) ?? .zero < wanted, !patience.hasPassed {
            try stop.check()
            _ = Polling.wait(stop.descriptor, until: .after(milliseconds: 100))
        }
    }

    private func rowHash(_ expression: String) -> String { hash.replacing("%", with: expression) }

    private func whole(_ table: CopiedTable) -> String { "ROW(\(table.storedColumns ?? ""))" }

    private func total(_ connection: Connection, _ table: CopiedTable) throws -> [String?] {
        if table.plansOthersCode { return try totalHere(connection, table) }
        return try connection.execute(
            "SELECT pg_catalog.count(*), coalesce(pg_catalog.sum(\(rowHash(whole(table)))::pg_catalog.numeric), 0)"
                + " FROM ONLY \(table.name)",
            doing: "comparing \(table.name)"
        ).row(0)
    }

    /// The same sum on this side of the connection.
    private func totalHere(_ connection: Connection, _ table: CopiedTable) throws -> [String?] {
        let doing = "comparing \(table.name)"
        try connection.execute("COPY \(table.copyList) TO STDOUT", doing: doing)
        var (count, sum) = (0, UInt64(0))
        try connection.copyOut(doing: doing) { row in
            count += 1
            sum &+= XXH64.hash(row)
        }
        return ["\(count)", "\(sum)"]
    }

    /// Rows by their keys: first which of many groups differ, then which rows of these.
    private func differingRows(_ table: CopiedTable) throws -> [String] {
        guard !table.plansOthersCode, let key = try key(of: table) else { return [] }
        let bucket = "(\(rowHash("ROW(\(key))")) & 1023)"
        let groups = """
            SELECT \(bucket), pg_catalog.count(*), pg_catalog.sum(\(rowHash(whole(table)))::pg_catalog.numeric)
              FROM ONLY \(table.name) GROUP BY 1
            """
        let (ours, theirs) = (try map(source, groups, table), try map(target, groups, table))
        var found: [String] = []
        for group in Set(ours.keys).union(theirs.keys).sorted() where ours[group] != theirs[group] {
            let rows = """
                SELECT ROW(\(key))::pg_catalog.text, \(rowHash(whole(table))) FROM ONLY \(table.name)
                 WHERE \(bucket) = \(group)
                """
            let (here, there) = (try map(source, rows, table), try map(target, rows, table))
            for row in Set(here.keys).union(there.keys).sorted() where here[row] != there[row] {
                let what =
                    there[row] == nil ? "not on the target" : here[row] == nil ? "not on the source" : "differs"
                found.append("\(what): (\(key)) = \(row)")
                if found.count == DataComparison.namedMax { return found }
            }
        }
        return found
    }

    /// The first column, and the others behind it.
    private func map(_ connection: Connection, _ sql: String, _ table: CopiedTable) throws -> [String: [String?]] {
        let result = try connection.execute(sql, doing: "looking for rows of \(table.name) that differ")
        var map: [String: [String?]] = [:]
        for row in 0..<result.rowCount {
            let values = result.row(row)
            map[(values.first ?? nil) ?? ""] = Array(values.dropFirst())
        }
        return map
    }

    private func key(of table: CopiedTable) throws -> String? {
        try source.query(
            """
            SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY k.place)
              FROM pg_catalog.pg_index i
             CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k(attnum, place)
              JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
             WHERE i.indisprimary AND i.indrelid = $1::pg_catalog.oid
            """, ["\(table.oid)"], doing: "looking for the key of \(table.name)"
        ).text(0, 0)
    }
}
