import Catalog
import Comparison
import Postgres
import Spool

// Tables of which the stream of changes may not have carried all, because something was done to them since the copy.
extension RestPlan {
    /// Tables whose entry in a publication, or the publication itself, is not what it was when the copy was made, with all
    /// partitions of these; and tables of which something was written anew, or made again, or which had other names meanwhile.
    static func alteredTables(
        _ options: CloneOptions, _ publications: [String], _ source: Connection
    ) throws -> [UInt32: String] {
        let spool = SpoolDirectory(options.spool)
        guard let base = try CatalogBase.read(spool) else { return [:] }
        let now = try CatalogFacts.carried(source, publications: publications)
        let (typed, renamed) = (retyped(base.source, now), try renamed(spool, source))
        let published = published(base.source, now)
        let parts = try partitions(of: typed.union(renamed).union(published), source)
        var altered: [UInt32: String] = [:]
        func mark(_ names: Set<String>, _ reason: String) {
            for oid in names.flatMap({ parts[$0] ?? [] }) { altered[oid] = reason }
        }
        mark(typed, "a type of its columns was altered")
        for (key, value) in now.values where key.kind == .rows {
            // Its number comes first. A table that was not there before is looked at by its name.
            guard let before = base.source[key], before != value,
                let oid = value.split(separator: " ").first.flatMap({ UInt32($0) })
            else { continue }
            altered[oid] = "rewritten or made again since the copy"
        }
        mark(renamed, "was renamed, or its columns were, since the copy")
        mark(published, "its publication was altered")
        return altered
    }

    /// Tables of whose columns' types a part or a label is gone. What was added changes nothing that was there.
    private static func retyped(_ before: CatalogFacts, _ now: CatalogFacts) -> Set<String> {
        names(
            before.values.filter { key, words in
                key.kind == .values
                    && !Set(words.split(separator: " ")).isSubset(of: Set((now[key] ?? "").split(separator: " ")))
            }.keys)
    }

    private static func published(_ before: CatalogFacts, _ now: CatalogFacts) -> Set<String> {
        names(
            Set(before.values.keys).union(now.values.keys).filter {
                $0.kind == .publication && before[$0] != now[$0]
            })
    }

    private static func names(_ keys: some Sequence<CatalogFacts.Key>) -> Set<String> {
        Set(keys.compactMap { key in key.relation.map { Quoting.qualified(key.schema, $0) } })
    }

    /// Tables whose changes came under another name than theirs, or with other columns, and those that had that name meanwhile:
    /// such a change may have gone to another table or column of the target. What is called otherwise to this day is found by
    /// the names alone.
    private static func renamed(_ spool: SpoolDirectory, _ source: Connection) throws -> Set<String> {
        let seen = try NamedRelation.all(in: spool)
        guard !seen.isEmpty else { return [] }
        let result = try source.execute(
            """
            SELECT c.oid, n.nspname, c.relname, a.attname
              FROM pg_catalog.unnest('{\(Set(seen.map { "\($0.relation)" }).joined(separator: ","))}'::pg_catalog.oid[]) AS s (oid)
              JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) s.oid
              JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
              LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) c.oid
                   AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
             ORDER BY c.oid, a.attnum
            """, doing: "looking at the tables' names")
        var now: [UInt32: NamedRelation] = [:]
        for index in 0..<result.rowCount {
            guard let oid = result.text(index, 0).flatMap({ UInt32($0) }), let schema = result.text(index, 1),
                let table = result.text(index, 2)
            else { continue }
            let column = result.text(index, 3).map { [$0] } ?? []
            now[oid, default: NamedRelation(relation: oid, schema: schema, table: table, columns: [])].columns += column
        }
        var names: Set<String> = []
        for one in seen {
            let current = now[one.relation]
            if let current, one.isCalled(current.schema, current.table), one.hasColumns(among: current.columns) {
                continue
            }
            for name in [one, current].compactMap({ $0 }) { names.insert(Quoting.qualified(name.schema, name.table)) }
        }
        return names
    }

    /// The tables of each of these names: itself, and all its partitions.
    private static func partitions(of names: Set<String>, _ source: Connection) throws -> [String: [UInt32]] {
        guard !names.isEmpty else { return [:] }
        let result = try source.execute(
            """
            WITH RECURSIVE tree AS (
              SELECT c.oid, c.oid AS root FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'p')
               UNION ALL
              SELECT i.inhrelid, t.root FROM tree t
                JOIN pg_catalog.pg_inherits i ON i.inhparent OPERATOR(pg_catalog.=) t.oid
                JOIN pg_catalog.pg_class p ON p.oid OPERATOR(pg_catalog.=) t.oid AND p.relkind IN ('p'))
            SELECT t.oid, n.nspname, c.relname FROM tree t JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.root
              JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace WHERE \(UserObject.namespace)
            """, doing: "looking at partitions")
        var parts: [String: [UInt32]] = [:]
        for index in 0..<result.rowCount {
            guard let oid = result.text(index, 0).flatMap({ UInt32($0) }), let schema = result.text(index, 1),
                let table = result.text(index, 2)
            else { continue }
            let name = Quoting.qualified(schema, table)
            if names.contains(name) { parts[name, default: []].append(oid) }
        }
        return parts
    }
}
