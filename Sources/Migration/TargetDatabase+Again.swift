import Postgres

// What an interrupted run has made of what comes after the keys, and pg_restore does not drop by itself.
extension TargetDatabase {
    /// Drops the foreign keys that an earlier run made.
    func dropForeignKeys() throws {
        let doing = "dropping the foreign keys that an earlier run made"
        let result = try connection.execute(
            """
            SELECT n.nspname, t.relname, o.conname
              FROM pg_catalog.pg_constraint o JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) o.conrelid
              JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.relnamespace
             WHERE o.contype OPERATOR(pg_catalog.=) 'f' AND coalesce(pg_catalog.to_jsonb(o) ->> 'conparentid', '0') OPERATOR(pg_catalog.=) '0' AND \(Self.userNamespace)
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
    func dropEventTriggers() throws {
        let doing = "dropping the event triggers that an earlier run made"
        let drops = try column(connection.execute(Self.eventTriggersQuery, doing: doing), 1)
        for statement in drops { try connection.execute(statement, doing: doing) }
    }

    /// Drops the keys of partitions that an earlier run made, and did not yet attach to those of their partitioned tables.
    ///
    /// - Parameter entries: those that are to be made.
    func dropUnattachedKeys(_ entries: [ArchiveContents.Entry]) throws {
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
             WHERE t.relispartition AND NOT c.relispartition AND \(Self.userNamespace)
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
