import Catalog
import Failpoints
import Observability
import Postgres
import Threading

/// Copies whole tables from one snapshot of the source to the target. Lives on one thread, with a session to each.
package final class TableCopier {
    private let source: SourceSnapshot
    private let target: Connection
    private let stop: StopRequest
    private let progress: CloneProgress
    /// The target's rows are replaced where others may refer to them.
    private let replaces: Bool
    /// Rows are handed on in pieces of this many bytes.
    private static let pieceBytes = 128 << 10

    package init(
        source: ConnectionString, snapshot: String?, target: ConnectionString, encoding: String, stop: StopRequest,
        progress: CloneProgress, replaces: Bool = false, usesReplicaRole: Bool = true
    ) throws {
        self.source = try SourceSnapshot(source, snapshot: snapshot, encoding: encoding)
        self.target = try DatabaseSession.connect(target, encoding: encoding)
        self.stop = stop
        self.progress = progress
        self.replaces = replaces
        guard replaces && usesReplicaRole else { return }
        // Neither triggers nor foreign keys are to look at rows that the source has as they are.
        try self.target.execute("SET session_replication_role = replica", doing: "preparing to replace rows")
    }

    /// Copies one table or a part of it, in one transaction of the target.
    ///
    /// - Returns: the rows and bytes copied.
    /// - Throws: ``ProgramFailure`` when the source's table was emptied or rewritten since the snapshot, which hides
    ///   rows from it, or when the two sides count other rows.
    package func copy(_ part: CopyPart) throws -> (rows: Int, bytes: Int) {
        let table = part.table
        // Each table's lock on the source goes with its own transaction.
        try source.begin()
        try source.connection.execute(
            "LOCK TABLE ONLY \(table.name) IN ACCESS SHARE MODE", doing: "locking \(table.name) on the source")
        try checkUnchanged(table)
        // Rows that come into a table of this very transaction can be written frozen: nobody will ever have to. Where
        // several transactions write into one, none of them may empty it.
        try target.execute(
            "BEGIN"
                + (replaces ? "; DELETE FROM ONLY \(table.name)" : part.isWhole ? "; TRUNCATE ONLY \(table.name)" : ""),
            doing: "preparing \(table.name) on the target")
        let bytes = try pump(part)
        let sent = try rowCount(source.connection, "reading \(table.name) on the source")
        try target.endCopy(doing: "copying into \(table.name)")
        let received = try rowCount(target, "copying into \(table.name)")
        guard sent == received else {
            throw ProgramFailure(
                .failure, "\(part.name): the source sent \(sent) rows, but the target took \(received)")
        }
        try target.execute("COMMIT", doing: "committing \(table.name) on the target")
        return (received, bytes)
    }

    /// A table that was emptied or rewritten has another file. The snapshot sees it as empty, or with columns that it
    /// did not have, while the changes from before are still to come.
    private func checkUnchanged(_ table: CopiedTable) throws {
        let doing = "looking at \(table.name) on the source"
        let file = try source.connection.query(
            "SELECT pg_catalog.pg_relation_filenode($1::pg_catalog.oid)", [String(table.oid)], doing: doing)
        guard file.text(0, 0) == table.file else {
            throw ProgramFailure(
                .conflict,
                "\(table.name) was emptied or rewritten on the source since the snapshot (TRUNCATE, VACUUM FULL, CLUSTER "
                    + "or ALTER TABLE), so it cannot be copied from that any more; run the same command again, which "
                    + "begins with a new snapshot, at a time when nothing does that")
        }
    }

    private func pump(_ part: CopyPart) throws -> Int {
        let table = part.table
        let reading = "reading \(table.name) on the source"
        let writing = "copying into \(table.name)"
        try source.connection.execute("COPY \(part.source) TO STDOUT WITH (FORMAT \(table.format))", doing: reading)
        try target.execute(
            "COPY \(table.copyList) FROM STDIN WITH (FORMAT \(table.format), FREEZE \(part.isWhole && !replaces))",
            doing: writing)
        var total = 0
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.pieceBytes, alignment: 8)
        defer { piece.deallocate() }
        var (filled, rows) = (0, 0)
        func flush() throws {
            guard filled > 0 else { return }
            try target.putCopyData(UnsafeRawBufferPointer(rebasing: piece[..<filled]), doing: writing)
            Failpoint.duringTable.reach()
            progress.add(bytes: filled, rows: rows, to: part)
            total += filled
            (filled, rows) = (0, 0)
            try stop.check()
        }
        try source.connection.copyOut(doing: reading) { row in
            if filled + row.count > piece.count { try flush() }
            guard row.count <= piece.count else {
                try target.putCopyData(row, doing: writing)
                progress.add(bytes: row.count, rows: 1, to: part)
                total += row.count
                return
            }
            UnsafeMutableRawBufferPointer(rebasing: piece[filled...]).copyMemory(from: row)
            filled += row.count
            rows += 1
        }
        // The end of the binary form is a message of its own.
        if table.isBinary { rows -= 1 }
        try flush()
        return total
    }

    /// The rows that a COPY reports at its end.
    private func rowCount(_ connection: Connection, _ doing: String) throws -> Int {
        var rows: Int?
        while let result = try connection.nextResult(doing: doing) {
            if let count = result.affectedRows { rows = count }
        }
        guard let rows else { throw PostgresError(.unexpectedAnswer, "the server counted no rows", doing: doing) }
        return rows
    }
}
