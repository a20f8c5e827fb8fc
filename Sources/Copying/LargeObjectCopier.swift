import Catalog
import Postgres
import Threading

/// Large objects that are copied in one transaction: those with object ids in a range.
package struct LargeObjectBatch: Sendable {
    /// So many objects are in one; each needs a lock on the target.
    static let objectsMax = 500

    /// The first object.
    package var first: UInt32
    /// The object behind the last; nil for the last batch.
    package var end: UInt32?

    package init(first: UInt32, end: UInt32? = nil) {
        self.first = first
        self.end = end
    }

    /// All of them that a session sees.
    package static func all(on connection: Connection) throws -> [LargeObjectBatch] {
        let result = try connection.execute(
            """
            SELECT oid FROM (SELECT oid, pg_catalog.row_number() OVER (ORDER BY oid) AS place
                               FROM pg_catalog.pg_largeobject_metadata) o
             WHERE place % \(objectsMax) = 1 ORDER BY oid
            """, doing: "listing the large objects")
        let starts = (0..<result.rowCount).compactMap { result.text($0, 0).flatMap { UInt32($0) } }
        return starts.indices.map { index in
            LargeObjectBatch(first: starts[index], end: index + 1 < starts.count ? starts[index + 1] : nil)
        }
    }

    package var condition: String {
        "m.oid >= \(first)" + (end.map { " AND m.oid < \($0)" } ?? "")
    }
}

/// Copies large objects under their own ids, with owners, privileges and comments. Lives on one thread.
package final class LargeObjectCopier {
    private let source: SourceSnapshot
    private let target: Connection
    private let restoreOptions: [String]
    private let stop: StopRequest
    private let progress: CloneProgress

    /// Content travels in pieces of this many bytes, and the first pieces of so many objects together.
    private static let pieceBytes = 128 << 10
    private static let groupMax = 32

    package init(
        _ servers: ServerPair, snapshot: String?, encoding: String, restoreOptions: [String], stop: StopRequest,
        progress: CloneProgress
    ) throws {
        source = try SourceSnapshot(servers.source, snapshot: snapshot, encoding: encoding)
        target = try DatabaseSession.connect(servers.target, encoding: encoding)
        self.restoreOptions = restoreOptions
        self.stop = stop
        self.progress = progress
    }

    /// Copies a batch, in one transaction of the target.
    ///
    /// - Returns: how many objects, and bytes of them.
    package func copy(_ batch: LargeObjectBatch) throws -> (objects: Int, bytes: Int) {
        let listed = try source.connection.execute(
            "SELECT m.oid FROM pg_catalog.pg_largeobject_metadata m WHERE \(batch.condition) ORDER BY 1",
            doing: "listing large objects")
        let objects = listed.column()
        try target.execute("BEGIN", doing: "beginning a transaction on the target")
        var bytes = 0
        var rest = objects[...]
        while !rest.isEmpty {
            bytes += try copyContents(of: Array(rest.prefix(Self.groupMax)))
            rest = rest.dropFirst(Self.groupMax)
            try stop.check()
        }
        let statements = try ownership(batch)
        if !statements.isEmpty {
            try target.execute(
                statements.joined(separator: ";\n"), doing: "setting owners and privileges of large objects")
        }
        try target.execute("COMMIT", doing: "committing large objects on the target")
        return (objects.count, bytes)
    }

    /// Makes one object what it is on the source, or removes it where the source has none.
    package func replace(_ object: UInt32) throws {
        try source.begin()
        try target.query(
            """
            SELECT pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata
             WHERE oid OPERATOR(pg_catalog.=) $1::pg_catalog.oid
            """, ["\(object)"], doing: "removing large object \(object)")
        let (end, isLast) = object.addingReportingOverflow(1)
        _ = try copy(LargeObjectBatch(first: object, end: isLast ? nil : end))
    }

    private func copyContents(of objects: [String]) throws -> Int {
        let ids = "{\(objects.joined(separator: ","))}"
        let pieces = try source.connection.query(
            """
            SELECT oid, pg_catalog.lo_get(oid, 0, \(Self.pieceBytes))
              FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS o(oid)
            """, [ids], doing: "reading large objects on the source")
        var values: [String] = []
        var unfinished: [String] = []
        var bytes = 0
        for index in 0..<pieces.rowCount {
            guard let id = pieces.text(index, 0), let content = pieces.text(index, 1) else { continue }
            values.append("\"\\\(content)\"")
            // Two digits a byte, behind two characters.
            let count = (content.utf8.count - 2) / 2
            bytes += count
            if count == Self.pieceBytes { unfinished.append(id) }
        }
        let doing = "making large objects on the target"
        let made = try target.query(
            """
            SELECT pg_catalog.lo_from_bytea(oid, content)
              FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.oid[]), pg_catalog.unnest($2::pg_catalog.bytea[]))
                   AS o(oid, content)
            """, [ids, "{\(values.joined(separator: ","))}"], doing: doing)
        guard made.rowCount == objects.count, values.count == objects.count else {
            throw PostgresError(.unexpectedAnswer, "\(made.rowCount) of \(objects.count) were made", doing: doing)
        }
        progress.add(bytes: bytes)
        for id in unfinished { bytes += try copyRest(of: id) }
        return bytes
    }

    /// What lies behind the first piece.
    private func copyRest(of id: String) throws -> Int {
        var offset = Self.pieceBytes
        while true {
            try stop.check()
            let piece = try source.connection.query(
                "SELECT pg_catalog.lo_get($1::pg_catalog.oid, $2::pg_catalog.int8, \(Self.pieceBytes))",
                [id, String(offset)], doing: "reading large object \(id) on the source")
            let count = ((piece.text(0, 0)?.utf8.count ?? 2) - 2) / 2
            guard count > 0, let content = piece.text(0, 0) else { break }
            try target.query(
                "SELECT pg_catalog.lo_put($1::pg_catalog.oid, $2::pg_catalog.int8, $3::pg_catalog.bytea)",
                [id, String(offset), content], doing: "writing large object \(id) on the target")
            offset += count
            progress.add(bytes: count)
            guard count == Self.pieceBytes else { break }
        }
        return offset - Self.pieceBytes
    }

    /// Statements for what pg_restore would say of the objects.
    private func ownership(_ batch: LargeObjectBatch) throws -> [String] {
        let doing = "looking at the owners of large objects"
        let metadata = "FROM pg_catalog.pg_largeobject_metadata m"
        var statements: [String] = []
        func take(_ query: String, _ statement: ([String?]) -> String) throws {
            let result = try source.connection.execute(query + " ORDER BY m.oid", doing: doing)
            for index in 0..<result.rowCount { statements.append(statement(result.row(index))) }
        }
        func object(_ row: [String?]) -> String { "LARGE OBJECT \((row.first ?? nil) ?? "")" }
        let keepsOwner = !restoreOptions.contains("--no-owner")
        if keepsOwner {
            try take("SELECT m.oid, pg_catalog.pg_get_userbyid(lomowner) \(metadata) WHERE \(batch.condition)") {
                "ALTER \(object($0)) OWNER TO \(Quoting.identifier($0[1] ?? ""))"
            }
        }
        if !restoreOptions.contains("--no-acl") {
            // Privileges that are listed are all that there are, also those of the owner.
            let hasList = "lomacl IS NOT NULL AND \(batch.condition)"
            if keepsOwner {
                try take("SELECT m.oid, pg_catalog.pg_get_userbyid(lomowner) \(metadata) WHERE \(hasList)") {
                    "REVOKE ALL ON \(object($0)) FROM \(Quoting.identifier($0[1] ?? ""))"
                }
            }
            try take(
                """
                SELECT m.oid, a.privilege_type, CASE WHEN a.grantee <> 0 THEN pg_catalog.pg_get_userbyid(a.grantee) END,
                       a.is_grantable
                 \(metadata) CROSS JOIN LATERAL pg_catalog.aclexplode(lomacl) a
                 WHERE \(hasList) AND (\(keepsOwner) OR a.grantee <> lomowner)
                """
            ) { row in
                "GRANT \(row[1] ?? "") ON \(object(row)) TO \(row[2].map { Quoting.identifier($0) } ?? "PUBLIC")"
                    + (row[3] == "t" ? " WITH GRANT OPTION" : "")
            }
        }
        if !restoreOptions.contains("--no-comments") {
            try take(
                """
                SELECT m.oid, d.description \(metadata) JOIN pg_catalog.pg_description d
                    ON d.classoid = 'pg_catalog.pg_largeobject'::pg_catalog.regclass AND d.objoid = m.oid
                 WHERE \(batch.condition)
                """
            ) { "COMMENT ON \(object($0)) IS \(Quoting.literal($0[1] ?? ""))" }
        }
        return statements
    }
}
