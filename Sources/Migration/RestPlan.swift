import Catalog
import Comparison
import Copying
import Observability
import Postgres
import Selection
import Spool

/// What the stream of changes does not carry, so that the target may not have it as it is now: found by what the
/// publications send, and by what there was when the copy was made.
public struct RestPlan: Sendable {
    /// What a switchover does with what differs.
    public enum Policy: String, Sendable, CaseIterable {
        /// Brings it over.
        case copy
        /// Ends with the code ``ExitStatus/drift``.
        case refuse
        /// Leaves it as it is, and says so.
        case ignore
    }

    /// A table whose changes are not all sent.
    struct Table: Sendable {
        var table: CopiedTable
        /// Why it may differ.
        var reason: String
    }

    /// The tables, the largest first.
    private(set) var tables: [Table] = []
    /// Bytes of the large objects on the source; nil when neither side has any, or they are not moved.
    private(set) var largeObjectBytes: Int?
    /// Extensions of the source have tables to which users may add rows.
    private(set) var hasExtensionTables = false
    /// The encoding in which both sides send text.
    private(set) var encoding = "UTF8"

    /// Bytes that a server reads and compares in a second, and writes again where they differ: a careful guess.
    private static let bytesPerSecond = 40 << 20

    /// How long it may take, in seconds.
    var seconds: Int {
        let bytes = tables.reduce(largeObjectBytes ?? 0) { $0 + $1.table.size }
        return bytes / Self.bytesPerSecond + tables.count / 100
    }

    /// There is nothing to look at.
    var isEmpty: Bool { tables.isEmpty && (largeObjectBytes ?? 0) == 0 }

    /// What it has, in a few words.
    var words: String {
        var parts = tables.isEmpty ? [] : [Figures.some(tables.map { "\($0.table.name) (\($0.reason))" })]
        if let largeObjectBytes, largeObjectBytes > 0 {
            parts.append("large objects (\(CloneProgress.size(largeObjectBytes)))")
        }
        return parts.joined(separator: ", ")
    }

    /// Finds it.
    static func make(
        _ options: CloneOptions, _ journal: CloneJournal, on source: Connection, _ target: Connection
    ) throws -> RestPlan {
        var plan = RestPlan()
        let doing = "looking at what the stream of changes does not carry"
        let facts = try source.execute(
            """
            SELECT pg_catalog.current_setting('server_encoding'),
                   EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extconfig IS NOT NULL)
            """, doing: doing)
        plan.encoding = facts.text(0, 0) == "SQL_ASCII" ? "SQL_ASCII" : "UTF8"
        plan.hasExtensionTables = facts.text(0, 1) == "t"
        let selection = try options.adopting(journal).selection()
        let copied = Set(journal.tables.map(\.name))
        let publications = journal.sendingPublications
        let published = try PublishedTable.all(on: source, publications, selection)
        let altered = try alteredTables(options, publications, source)
        var gaps: [String: String] = [:]
        for table in published { gaps[table.name] = table.gap(in: publications).map { _ in table.loss } }
        for table in try SourceSnapshot.tables(on: source, selection) {
            let reason: String? =
                if table.isUnlogged {
                    "unlogged"
                } else if !copied.contains(table.name) {
                    "made since the copy"
                } else {
                    altered[table.oid] ?? gaps[table.name]
                }
            if let reason { plan.tables.append(Table(table: table, reason: reason)) }
        }
        if !options.skipsLargeObjects && journal.skipsLargeObjects != true {
            // Those of the target that the source has no more are looked for as well.
            let any = "SELECT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata)"
            for side in [source, target] where plan.largeObjectBytes == nil {
                guard try side.execute(any, doing: doing).text(0, 0) == "t" else { continue }
                plan.largeObjectBytes = try largeObjects(source)
            }
        }
        return plan
    }

    private static func largeObjects(_ source: Connection) throws -> Int? {
        let size = try source.execute(
            "SELECT pg_catalog.pg_relation_size('pg_catalog.pg_largeobject'::pg_catalog.regclass)",
            doing: "looking at the large objects")
        return size.text(0, 0).flatMap { Int($0) }
    }

    /// Tables whose entry in a publication, or the publication itself, is not what it was when the copy was made, with all
    /// partitions of these; and tables of which something was written anew, or made again.
    private static func alteredTables(
        _ options: CloneOptions, _ publications: [String], _ source: Connection
    ) throws -> [UInt32: String] {
        guard let base = try CatalogBase.read(SpoolDirectory(options.spool)) else { return [:] }
        let now = try CatalogFacts.carried(source, publications: publications)
        var altered: [UInt32: String] = [:]
        for (key, value) in now.values where key.kind == .rows {
            // Its number comes first. A table that was not there before is looked at by its name.
            guard let before = base.source[key], before != value,
                let oid = value.split(separator: " ").first.flatMap({ UInt32($0) })
            else { continue }
            altered[oid] = "rewritten or made again since the copy"
        }
        for oid in try published(base.source, now, source) { altered[oid] = "its publication was altered" }
        return altered
    }

    private static func published(
        _ before: CatalogFacts, _ now: CatalogFacts, _ source: Connection
    ) throws -> Set<UInt32> {
        let keys = Set(before.values.keys).union(now.values.keys).filter {
            $0.kind == .publication && before[$0] != now[$0]
        }
        let names = Set(keys.compactMap { key in key.relation.map { Quoting.qualified(key.schema, $0) } })
        guard !names.isEmpty else { return [] }
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
        return Set(
            (0..<result.rowCount).compactMap { index in
                guard let oid = result.text(index, 0).flatMap({ UInt32($0) }), let schema = result.text(index, 1),
                    let table = result.text(index, 2), names.contains(Quoting.qualified(schema, table))
                else { return nil }
                return oid
            })
    }
}
