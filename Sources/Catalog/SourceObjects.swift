import Postgres
import Selection

/// What of the source a selection is asked about, and what it leaves out.
package struct SourceObjects {
    /// A table, a view, a sequence or an index.
    package struct Relation: Sendable {
        package var oid: UInt32
        /// `pg_class.relkind`.
        package var kind: String
        package var schema: String
        package var name: String
        /// The table that a sequence belongs to, or the partitioned table that a partition does.
        package var above: UInt32?

        package var isTable: Bool { ["r", "p", "f"].contains(kind) }
        var isIndex: Bool { ["i", "I"].contains(kind) }
        package var sqlName: String { Quoting.qualified(schema, name) }
    }

    /// An object of the catalogs: the oid of its catalog, and its own.
    package struct Address: Hashable, Sendable {
        package var catalog: UInt32
        package var oid: UInt32

        package init(catalog: UInt32, oid: UInt32) {
            self.catalog = catalog
            self.oid = oid
        }

        package static let relations: UInt32 = 1259
        package static let extensions: UInt32 = 3079
    }

    package let selection: Selection
    package let relations: [UInt32: Relation]
    /// The same by their names as SQL writes them.
    package let byName: [String: Relation]
    private let schemas: [(oid: UInt32, name: String)]
    private let extensions: [(oid: UInt32, name: String)]

    /// Reads the catalogs as the session sees them.
    package init(on connection: Connection, _ selection: Selection) throws {
        self.selection = selection
        func named(_ sql: String) throws -> [(oid: UInt32, name: String)] {
            let result = try connection.execute(sql, doing: "listing what can be selected")
            return (0..<result.rowCount).compactMap { index in
                guard let oid = result.text(index, 0).flatMap({ UInt32($0) }), let name = result.text(index, 1) else {
                    return nil
                }
                return (oid, name)
            }
        }
        schemas = try named(
            "SELECT n.oid, n.nspname FROM pg_catalog.pg_namespace n WHERE \(UserObject.namespace)")
        extensions = try named("SELECT oid, extname FROM pg_catalog.pg_extension")
        let result = try connection.execute(Self.relationsQuery, doing: "listing what can be selected")
        var relations: [UInt32: Relation] = [:]
        for index in 0..<result.rowCount {
            let row = result.row(index)
            guard let oid = row[0].flatMap({ UInt32($0) }), let kind = row[1], let schema = row[2], let name = row[3]
            else { continue }
            relations[oid] = Relation(
                oid: oid, kind: kind, schema: schema, name: name, above: row[4].flatMap { UInt32($0) })
        }
        self.relations = relations
        byName = Dictionary(relations.values.map { ($0.sqlName, $0) }) { first, _ in first }
    }

    /// The definition is selected. For an index: no pattern leaves it out.
    package func includes(_ relation: Relation) -> Bool {
        if relation.isTable { return selection.includes(schema: relation.schema, table: relation.name) }
        if relation.isIndex { return selection.includesIndex(schema: relation.schema, index: relation.name) }
        guard selection.includesObject(schema: relation.schema, name: relation.name) else { return false }
        guard relation.kind == "S", let owner = relation.above.flatMap({ relations[$0] }) else { return true }
        return includes(owner)
    }

    /// Patterns that are for nothing on the source.
    package var unmatched: [String] {
        var names = SelectableNames()
        names.schemas = schemas.map(\.name)
        names.extensions = extensions.map(\.name)
        for relation in relations.values {
            if relation.isIndex {
                names.indexes.append((relation.schema, relation.name))
            } else {
                names.tables.append((relation.schema, relation.name))
            }
        }
        return selection.unmatched(in: names)
    }

    /// Partitioned tables and partitions of which only one is selected, without a pattern that says so.
    package var torn: [String] {
        relations.values.filter(\.isTable).compactMap { partition in
            guard let parent = partition.above.flatMap({ relations[$0] }), includes(parent) != includes(partition)
            else { return nil }
            if includes(partition) {
                return
                    "the partition \(partition.sqlName) is selected, and \(parent.sqlName), which it belongs to, is not"
            }
            // What was left out by its name was meant to be.
            guard selection.includes(schema: partition.schema),
                !selection.excludeTables.contains(where: {
                    $0.matches(schema: partition.schema, table: partition.name)
                })
            else { return nil }
            return "\(parent.sqlName) is selected, and its partition \(partition.sqlName) is not"
        }.sorted()
    }

    /// The tables whose definitions are selected, by their object ids.
    package var selectedTables: Set<UInt32> {
        Set(relations.values.filter { $0.isTable && includes($0) }.map(\.oid))
    }

    private static let relationsQuery = """
        SELECT c.oid, c.relkind, n.nspname, c.relname,
               CASE WHEN c.relkind = 'S' THEN
                 (SELECT d.refobjid FROM pg_catalog.pg_depend d
                   WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
                     AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjsubid > 0
                     AND d.deptype IN ('a', 'i') LIMIT 1)
                    WHEN c.relkind IN ('r', 'p', 'f') AND c.relispartition THEN
                 (SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid LIMIT 1) END
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'i', 'I') AND c.relpersistence <> 't'
           AND \(UserObject.namespace)
        """
}

// What is left out.
extension SourceObjects {
    /// What the selection leaves out: what it names, and what belongs to that alone.
    ///
    /// Object ids of catalogs are the same in all versions; a catalog that an old version lacks has no rows here.
    package func leftOut(on connection: Connection) throws -> Set<Address> {
        let gone = relations.values.filter { !$0.isIndex && !includes($0) }.map(\.oid)
        let indexes = relations.values.filter { $0.isIndex && !includes($0) }.map(\.oid)
        let excluded = schemas.filter { !selection.includes(schema: $0.name) }.map(\.oid)
        let result = try connection.query(
            Self.leftOutQuery, [Self.array(gone), Self.array(indexes), Self.array(excluded)],
            doing: "looking for what is left out")
        return Set(
            (0..<result.rowCount).compactMap { index in
                guard let catalog = result.text(index, 0).flatMap({ UInt32($0) }),
                    let oid = result.text(index, 1).flatMap({ UInt32($0) })
                else { return nil }
                return Address(catalog: catalog, oid: oid)
            })
    }

    /// The extensions that are left out.
    package var extensionsLeftOut: Set<Address> {
        Set(
            extensions.filter { !selection.includes(extension: $0.name) }
                .map { Address(catalog: Address.extensions, oid: $0.oid) })
    }

    /// Foreign keys that cannot hold, because the rows that they refer to are left out.
    package func danglingKeys(on connection: Connection) throws -> [(address: Address, name: String)] {
        let gaps = relations.values.filter {
            $0.isTable && !selection.includesData(schema: $0.schema, table: $0.name)
        }
        var holes = Set(gaps.map(\.oid))
        // A partitioned table lacks the rows that any of its partitions does.
        for gap in gaps {
            var above = gap.above
            while let oid = above, holes.insert(oid).inserted { above = relations[oid]?.above }
        }
        let result = try connection.query(
            """
            SELECT c.oid, c.conrelid, c.conname FROM pg_catalog.pg_constraint c
             WHERE c.contype = 'f' AND c.confrelid = ANY ($1::pg_catalog.oid[])
            """, [Self.array(Array(holes))], doing: "looking for foreign keys")
        return (0..<result.rowCount).compactMap { index in
            guard let oid = result.text(index, 0).flatMap({ UInt32($0) }),
                let table = result.text(index, 1).flatMap({ UInt32($0) }).flatMap({ relations[$0] }),
                includes(table), table.kind == "p" || selection.includesData(schema: table.schema, table: table.name)
            else { return nil }
            let name = Quoting.identifier(result.text(index, 2) ?? "")
            return (Address(catalog: 2606, oid: oid), "\(name) of \(table.sqlName)")
        }
    }

    private static func array(_ oids: [UInt32]) -> String {
        "{\(oids.map(String.init).joined(separator: ","))}"
    }

    private static let leftOutQuery = """
        WITH gone AS (SELECT unnest AS oid FROM pg_catalog.unnest($1::pg_catalog.oid[])),
             indexes AS (SELECT unnest AS oid FROM pg_catalog.unnest($2::pg_catalog.oid[])),
             schemas AS (SELECT unnest AS oid FROM pg_catalog.unnest($3::pg_catalog.oid[]))
        SELECT 1259, oid FROM gone
         UNION SELECT 1259, oid FROM indexes
         UNION SELECT 2615, oid FROM schemas
         UNION SELECT d.classid, d.objid FROM pg_catalog.pg_depend d JOIN schemas s ON d.refobjid = s.oid
                WHERE d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.deptype IN ('n', 'a')
         UNION SELECT 2606, c.oid FROM pg_catalog.pg_constraint c JOIN gone ON c.conrelid = gone.oid
         UNION SELECT 2606, c.oid FROM pg_catalog.pg_constraint c JOIN indexes i ON c.conindid = i.oid
                WHERE c.contype IN ('p', 'u', 'x')
         UNION SELECT 1259, i.indexrelid FROM pg_catalog.pg_index i JOIN gone ON i.indrelid = gone.oid
         UNION SELECT 2604, d.oid FROM pg_catalog.pg_attrdef d JOIN gone ON d.adrelid = gone.oid
         UNION SELECT 2620, t.oid FROM pg_catalog.pg_trigger t JOIN gone ON t.tgrelid = gone.oid
         UNION SELECT 3256, p.oid FROM pg_catalog.pg_policy p JOIN gone ON p.polrelid = gone.oid
         UNION SELECT 2618, r.oid FROM pg_catalog.pg_rewrite r JOIN gone ON r.ev_class = gone.oid
         UNION SELECT 3381, s.oid FROM pg_catalog.pg_statistic_ext s JOIN gone ON s.stxrelid = gone.oid
        """
}
