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
}
