import Catalog
import Postgres

// What an interrupted run has made of what comes after the keys, and pg_restore does not drop by itself.
extension TargetDatabase {
    /// Drops the foreign keys that an earlier run made.
    package func dropForeignKeys() throws {
        let doing = "dropping the foreign keys that an earlier run made"
        let result = try connection.execute(
            """
            SELECT n.nspname, t.relname, o.conname
              FROM pg_catalog.pg_constraint o JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) o.conrelid
              JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.relnamespace
             WHERE o.contype OPERATOR(pg_catalog.=) 'f' AND coalesce(pg_catalog.to_jsonb(o) ->> 'conparentid', '0') OPERATOR(pg_catalog.=) '0' AND \(UserObject.namespace)
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                                WHERE e.objid OPERATOR(pg_catalog.=) t.oid AND e.deptype OPERATOR(pg_catalog.=) 'e')
            """, doing: doing)
        for index in 0..<result.rowCount {
            guard let schema = result.text(index, 0), let table = result.text(index, 1),
                let name = result.text(index, 2)
            else { continue }
            try connection.execute(
                "ALTER TABLE \(Quoting.qualified(schema, table)) DROP CONSTRAINT IF EXISTS \(Quoting.identifier(name))",
                doing: doing)
        }
    }

    /// Drops the event triggers that an earlier run made: they would act on what is made now.
    package func dropEventTriggers() throws {
        let doing = "dropping the event triggers that an earlier run made"
        let drops = try connection.execute(Self.eventTriggersQuery, doing: doing).column(1)
        for statement in drops { try connection.execute(statement, doing: doing) }
    }

    /// Drops the keys of partitions that an earlier run made, and did not yet attach to those of their partitioned tables.
    ///
    /// - Parameter entries: those that are to be made.
    package func dropUnattachedKeys(_ entries: [ArchiveContents.Entry]) throws {
        let doing = "dropping the indexes that an earlier run made"
        let keys = entries.filter { $0.isKey && !$0.isIndexAttachment }
        guard !keys.isEmpty else { return }
        let result = try connection.execute(
            """
            SELECT n.nspname, t.relname, c.relname, o.conname
              FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid
              JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) i.indrelid
              JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.relnamespace
              LEFT JOIN pg_catalog.pg_constraint o
                ON o.conindid OPERATOR(pg_catalog.=) i.indexrelid AND o.contype IN ('p', 'u', 'x')
             WHERE t.relispartition AND NOT c.relispartition AND \(UserObject.namespace)
            """, doing: doing)
        for index in 0..<result.rowCount {
            let row = result.row(index)
            guard let schema = row[0], let table = row[1], let name = row[2] else { continue }
            let label = row[3].map { "CONSTRAINT \(schema) \(table) \($0) " } ?? "INDEX \(schema) \(name) "
            guard keys.contains(where: { $0.text.hasPrefix(label) }) else { continue }
            let drop = row[3].map {
                "ALTER TABLE \(Quoting.qualified(schema, table)) DROP CONSTRAINT \(Quoting.identifier($0))"
            }
            try connection.execute(drop ?? "DROP INDEX \(Quoting.qualified(schema, name))", doing: doing)
        }
    }
}

// Statements that drop what is in no schema.
extension TargetDatabase {
    /// Whoever made the database made what has a smaller object id.
    static let outsideSchemasQuery = """
        SELECT 5, pg_catalog.format('DROP TRANSFORM IF EXISTS FOR %s LANGUAGE %I CASCADE',
                 pg_catalog.format_type(t.trftype, NULL), l.lanname)
          FROM pg_catalog.pg_transform t JOIN pg_catalog.pg_language l ON l.oid OPERATOR(pg_catalog.=) t.trflang
         WHERE \(isUsers("t", "pg_transform"))
         UNION ALL
        SELECT 6, pg_catalog.format('DROP CAST IF EXISTS (%s AS %s) CASCADE', pg_catalog.format_type(c.castsource, NULL),
                 pg_catalog.format_type(c.casttarget, NULL))
          FROM pg_catalog.pg_cast c WHERE \(isUsers("c", "pg_cast"))
         UNION ALL
        SELECT 7, pg_catalog.format('DROP LANGUAGE IF EXISTS %I CASCADE', l.lanname)
          FROM pg_catalog.pg_language l WHERE \(isUsers("l", "pg_language"))
         UNION ALL
        SELECT 8, pg_catalog.format('DROP ACCESS METHOD IF EXISTS %I CASCADE', a.amname)
          FROM pg_catalog.pg_am a WHERE \(isUsers("a", "pg_am"))
        """

    private static func isUsers(_ alias: String, _ catalog: String) -> String {
        """
        \(alias).oid OPERATOR(pg_catalog.>=) 16384 AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
           WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.\(catalog)'::pg_catalog.regclass
             AND d.objid OPERATOR(pg_catalog.=) \(alias).oid AND d.deptype OPERATOR(pg_catalog.=) 'e')
        """
    }

    /// Default privileges become again what they are when nobody has changed them.
    static let defaultPrivilegesQuery = """
        SELECT x.place, pg_catalog.format('ALTER DEFAULT PRIVILEGES FOR ROLE %I %s %s', r.rolname,
                 CASE WHEN n.oid IS NOT NULL THEN pg_catalog.format('IN SCHEMA %I', n.nspname) END, x.change)
          FROM pg_catalog.pg_default_acl a JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) a.defaclrole
          LEFT JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) a.defaclnamespace
          JOIN (VALUES ('r', 'TABLES'), ('S', 'SEQUENCES'), ('f', 'FUNCTIONS'), ('T', 'TYPES'), ('n', 'SCHEMAS'),
                       ('L', 'LARGE OBJECTS')) AS k (letter, kind)
            ON k.letter OPERATOR(pg_catalog.=) a.defaclobjtype::pg_catalog.text
         CROSS JOIN LATERAL (
           SELECT 9 AS place, pg_catalog.format('REVOKE ALL ON %s FROM %s', k.kind, coalesce((
                    SELECT pg_catalog.string_agg(DISTINCT coalesce(pg_catalog.quote_ident(g.rolname), 'PUBLIC'), ', ')
                      FROM pg_catalog.aclexplode(a.defaclacl) e
                      LEFT JOIN pg_catalog.pg_roles g ON g.oid OPERATOR(pg_catalog.=) e.grantee), 'PUBLIC')) AS change
            UNION ALL
           SELECT 10, pg_catalog.format('GRANT ALL ON %s TO %I', k.kind, r.rolname) WHERE n.oid IS NULL
            UNION ALL
           SELECT 11, pg_catalog.format('GRANT ALL ON %s TO PUBLIC', k.kind)
            WHERE n.oid IS NULL AND k.letter IN ('f', 'T')) x
         WHERE n.oid IS NULL OR n.nspname OPERATOR(pg_catalog.=) 'public'
        """
}
