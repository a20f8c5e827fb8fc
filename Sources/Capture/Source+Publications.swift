import Logging
import Postgres

extension Source {
    /// The options with the publications to decode in them; logs what of them is not replicated.
    func withPublications(_ options: CaptureOptions, logger: Logger) throws -> CaptureOptions {
        var options = options
        let isOurs = options.publications.isEmpty
        options.publications = try publications(options)
        if isOurs && options.publications.count > 1 {
            let count = try insertOnlyTables(options.slot)
            if count > 0 {
                logger.warning(
                    """
                    UPDATEs and DELETEs of \(count) table\(count == 1 ? " are" : "s are") not replicated: those published by \
                    \(options.publications[1]) have no replica identity
                    """)
            }
        }
        return options
    }

    /// The publications to decode: those that were named, or those with the slot's name.
    ///
    /// - Throws: ``CaptureError`` with `publicationMissing`: the server would only say so in the middle of the stream.
    public func publications(_ options: CaptureOptions) throws -> [String] {
        guard options.publications.isEmpty else {
            for name in options.publications where try !hasPublication(name) {
                throw CaptureError(
                    .publicationMissing,
                    "there is no publication \"\(name)\" in database \"\(catalog.database)\"; make it before the slot, "
                        + "for example: CREATE PUBLICATION \(Quoting.identifier(name)) FOR ALL TABLES;")
            }
            return options.publications
        }
        let own = options.slot
        guard try hasPublication(own) else {
            throw CaptureError(
                .publicationMissing,
                "there is no publication \"\(own)\" in database \"\(catalog.database)\", and --publication names no "
                    + "other; --create-slot makes one before the slot. Changes from before a publication cannot be decoded"
            )
        }
        let second = PublicationPlan.insertsName(own)
        return try isOwn(second, slot: options.slot) ? [own, second] : [own]
    }

    /// Makes publications with the slot's name of what can be published; leaves one that is not ours as it is. One of
    /// ours is a rest of an earlier slot, and made again.
    ///
    /// - Parameter isSelected: says of a schema and a table whether it is wanted.
    /// - Returns: what will not be replicated; nil when nothing was made.
    /// - Throws: ``CaptureError`` (`privilege`, `unsuitableServer`) or ``PostgresError``.
    public func makePublications(
        for slot: String, selecting isSelected: (String, String) -> Bool = { _, _ in true }
    ) throws -> [PublicationRemark]? {
        if try hasPublication(slot) && !isOwn(slot, slot: slot) { return nil }
        guard PublicationPlan.insertsName(slot).utf8.count <= 63 else {
            throw CaptureError(
                .publicationMissing,
                "the slot's name is too long to name publications after it; choose a shorter one with --slot, or make a "
                    + "publication and name it with --publication")
        }
        let plan = PublicationPlan(
            try Self.tables(catalog), serverVersion: catalog.serverVersion, isSelected: isSelected)
        try dropPublications(of: slot)
        let statements = plan.statements(named: slot, mark: Self.mark(slot))
        do {
            // One string is one transaction.
            try catalog.execute(statements.joined(separator: ";\n"), doing: "making publication \"\(slot)\"")
        } catch {
            switch error.sqlState {
            case .insufficientPrivilege:
                throw CaptureError(
                    .privilege,
                    "\(error); role \"\(catalog.user)\" must own the tables and have the privilege: GRANT CREATE ON "
                        + "DATABASE \(Quoting.identifier(catalog.database)) TO \(Quoting.identifier(catalog.user)); or "
                        + "have their owner make a publication, and name it with --publication")
            case .readOnlyTransaction:
                throw CaptureError(
                    .unsuitableServer,
                    "\(error); a standby takes no publication: make it on the primary, and name it with --publication")
            default:
                throw error
            }
        }
        return plan.remarks
    }

    /// What publications made now would not send.
    public static func publicationRemarks(
        on catalog: Connection, selecting isSelected: (String, String) -> Bool = { _, _ in true }
    ) throws -> [PublicationRemark] {
        PublicationPlan(try tables(catalog), serverVersion: catalog.serverVersion, isSelected: isSelected).remarks
    }

    /// The names of the publications that are made for a slot: of all changes, and of INSERT and TRUNCATE alone.
    public static func ownPublications(of slot: String) -> [String] { [slot, PublicationPlan.insertsName(slot)] }

    /// Drops the publications that ``makePublications(for:)`` made, and no others. Returns their names.
    @discardableResult
    public func dropPublications(of slot: String) throws -> [String] {
        let own = try Self.ownPublications(of: slot).filter { try isOwn($0, slot: slot) }
        for name in own {
            try catalog.execute(
                "DROP PUBLICATION \(Quoting.identifier(name))", doing: "dropping publication \"\(name)\"")
        }
        return own
    }

    /// How many tables our second publication has without their UPDATEs and DELETEs.
    func insertOnlyTables(_ slot: String) throws -> Int {
        let result = try catalog.query(
            """
            SELECT pg_catalog.count(*) FROM (
              SELECT schemaname, tablename FROM pg_catalog.pg_publication_tables WHERE pubname = $1
              EXCEPT SELECT schemaname, tablename FROM pg_catalog.pg_publication_tables WHERE pubname = $2) t
            """, [PublicationPlan.insertsName(slot), slot], doing: "looking at the publications")
        return result.text(0, 0).flatMap { Int($0) } ?? 0
    }

    private static func mark(_ slot: String) -> String {
        "made by walrelay for slot \"\(slot)\"; --drop-slot drops it"
    }

    private func hasPublication(_ name: String) throws -> Bool {
        try catalog.query(
            "SELECT 1 FROM pg_catalog.pg_publication WHERE pubname OPERATOR(pg_catalog.=) $1", [name],
            doing: "looking for publication \"\(name)\""
        ).rowCount == 1
    }

    /// It was made by us for this slot.
    private func isOwn(_ name: String, slot: String) throws -> Bool {
        try catalog.query(
            """
            SELECT 1 FROM pg_catalog.pg_publication WHERE pubname OPERATOR(pg_catalog.=) $1
               AND pg_catalog.obj_description(oid, 'pg_publication') OPERATOR(pg_catalog.=) $2
            """, [name, Self.mark(slot)], doing: "looking for publication \"\(name)\""
        ).rowCount == 1
    }

    /// All tables that hold rows of users, outside temporary and system schemas.
    private static func tables(_ catalog: Connection) throws -> [SourceTable] {
        let result = try catalog.execute(tablesQuery, doing: "listing the tables")
        return (0..<result.rowCount).compactMap { index in
            let row = result.row(index)
            guard let oid = row[0].flatMap({ UInt32($0) }), let schema = row[1], let name = row[2],
                let kind = row[3].flatMap({ SourceTable.Kind(rawValue: $0) }),
                let identity = row[5].flatMap({ SourceTable.Identity(rawValue: $0) })
            else { return nil }
            return SourceTable(
                oid: oid, schema: schema, name: name, kind: kind, isUnlogged: row[4] == "u", identity: identity,
                isIdentityUsable: row[6] == "t", hasPrimaryKey: row[7] == "t", root: row[8].flatMap { UInt32($0) },
                owningExtension: row[9], hasStoredGenerated: row[10] == "t", hasGeneratedKey: row[11] == "t",
                hasVirtualGenerated: row[12] == "t", identityIndex: row[13])
        }
    }

    /// attgenerated exists since 12: read through to_jsonb, so that one text serves all versions. A key that is checked
    /// late (indimmediate is false) is no replica identity to the server.
    private static let tablesQuery = """
        WITH RECURSIVE tree AS (
          SELECT oid, oid AS root FROM pg_catalog.pg_class WHERE relkind = 'p' AND NOT relispartition
           UNION ALL
          SELECT i.inhrelid, tree.root FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid),
        keys AS (
          SELECT indexrelid, indrelid, indisprimary, indisreplident, indkey FROM pg_catalog.pg_index
           WHERE indisunique AND indimmediate AND indisvalid AND (indisprimary OR indisreplident)),
        generated AS (
          SELECT attrelid, attnum, pg_catalog.to_jsonb(a) ->> 'attgenerated' AS kind FROM pg_catalog.pg_attribute a
           WHERE attnum > 0 AND NOT attisdropped AND pg_catalog.to_jsonb(a) ->> 'attgenerated' <> '')
        SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relreplident,
               CASE c.relreplident WHEN 'f' THEN true WHEN 'n' THEN false
                    WHEN 'd' THEN EXISTS (SELECT FROM keys WHERE indrelid = c.oid AND indisprimary)
                    ELSE EXISTS (SELECT FROM keys WHERE indrelid = c.oid AND indisreplident) END,
               EXISTS (SELECT FROM keys WHERE indrelid = c.oid AND indisprimary),
               tree.root,
               (SELECT e.extname FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
                 WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
                   AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'),
               EXISTS (SELECT FROM generated g WHERE g.attrelid = c.oid AND g.kind = 's'),
               EXISTS (SELECT FROM generated g JOIN keys k ON k.indrelid = c.oid AND g.attnum = ANY (k.indkey)
                 WHERE g.attrelid = c.oid
                   AND CASE c.relreplident WHEN 'd' THEN indisprimary ELSE indisreplident END),
               EXISTS (SELECT FROM generated g WHERE g.attrelid = c.oid AND g.kind = 'v'),
               (SELECT i.relname FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
                 WHERE x.indrelid = c.oid AND x.indisunique AND x.indimmediate AND x.indisvalid
                   AND x.indpred IS NULL AND x.indexprs IS NULL
                   AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid
                                      AND a.attnum = ANY (x.indkey) AND NOT a.attnotnull)
                   AND NOT EXISTS (SELECT FROM generated g WHERE g.attrelid = c.oid AND g.attnum = ANY (x.indkey))
                 ORDER BY x.indnatts, i.relname LIMIT 1)
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          LEFT JOIN tree ON tree.oid = c.oid
         WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't'
           AND n.nspname <> 'information_schema' AND n.nspname <> 'walrelay' AND n.nspname !~ '^pg_'
         ORDER BY n.nspname, c.relname
        """
}
