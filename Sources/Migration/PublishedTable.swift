import Catalog
import Postgres
import Selection

/// What the user's own publications send of one table.
struct PublishedTable {
    /// One of the publications that has the table, or a partitioned table above it.
    struct Part: Equatable {
        var publication: String
        /// Operations that it does not send.
        var missingOperations: [String] = []
        /// The row filter; nil where it sends all rows.
        var filter: String?
        /// Columns that it does not send.
        var missingColumns: [String] = []
    }

    /// Schema and name, as SQL writes them.
    var name: String
    /// None where no publication has the table.
    var parts: [Part] = []

    /// Why rows may differ that are not all sent.
    var loss: String {
        parts.isEmpty
            ? "not published"
            : parts.first?.missingOperations.isEmpty == false
                ? "no replica identity" : "not all is published"
    }

    /// What is copied of the table and would not be followed, and the statements that change that; nil when all is.
    func gap(in publications: [String]) -> (what: String, remedy: String)? {
        guard let first = parts.first else {
            let publication = Quoting.identifier(publications.first ?? "")
            return ("\(name) is in none of them", "ALTER PUBLICATION \(publication) ADD TABLE \(name);")
        }
        let again =
            "ALTER PUBLICATION \(Quoting.identifier(first.publication)) DROP TABLE \(name); "
            + "ALTER PUBLICATION \(Quoting.identifier(first.publication)) ADD TABLE \(name);"
        // A row is sent that any of them sends.
        if let filter = first.filter, parts.allSatisfy({ $0.filter != nil }) {
            return ("of \(name) only the rows WHERE \(filter) are sent", again)
        }
        if let part = parts.first(where: { !$0.missingColumns.isEmpty }) {
            return ("of \(name) the columns \(part.missingColumns.joined(separator: ", ")) are not sent", again)
        }
        let missing = first.missingOperations.filter { operation in
            parts.allSatisfy { $0.missingOperations.contains(operation) }
        }
        guard !missing.isEmpty else { return nil }
        return (
            "of \(name) no \(missing.joined(separator: ", ")) is sent",
            "ALTER PUBLICATION \(Quoting.identifier(first.publication)) SET (publish = 'insert, update, delete, truncate');"
        )
    }
}

// Reading them.
extension PublishedTable {
    /// What the publications send of each selected table.
    static func all(
        on source: Connection, _ publications: [String], _ selection: Selection
    ) throws -> [PublishedTable] {
        let names = publications.map { Quoting.literal($0) }.joined(separator: ", ")
        let result = try source.execute(
            publishedQuery(names, source.serverVersion), doing: "looking at the publications")
        var tables: [PublishedTable] = []
        for index in 0..<result.rowCount {
            let row = result.row(index)
            guard let schema = row[0], let table = row[1], selection.includesData(schema: schema, table: table) else {
                continue
            }
            let name = Quoting.qualified(schema, table)
            if tables.last?.name != name { tables.append(PublishedTable(name: name)) }
            guard let publication = row[2] else { continue }
            let operations = ["INSERT", "UPDATE", "DELETE", "TRUNCATE"].enumerated()
                .filter { row[3 + $0.offset] == "f" }.map(\.element)
            tables[tables.count - 1].parts.append(
                .init(
                    publication: publication, missingOperations: operations, filter: row[7],
                    missingColumns: row[8].map { [$0] } ?? []))
        }
        return tables
    }

    /// Each selected table, once for each publication that has it or a partitioned table above it.
    private static func publishedQuery(_ publications: String, _ version: Int) -> String {
        let hasLists = version >= 150_000
        let above =
            version >= 120_000 ? "UNION SELECT relid FROM pg_catalog.pg_partition_ancestors(c.oid)" : ""
        let truncates = version >= 110_000 ? "p.pubtruncate" : "true"
        let generated = version >= 120_000 ? "AND a.attgenerated = ''" : ""
        let columns =
            "(SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum) "
            + "FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
            + "\(generated) AND a.attname <> ALL (t.attnames))"
        return """
            SELECT n.nspname, c.relname, t.pubname, p.pubinsert, p.pubupdate, p.pubdelete, \(truncates),
                   \(hasLists ? "t.rowfilter" : "NULL"), \(hasLists ? columns : "NULL")
              FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
              LEFT JOIN LATERAL (
                SELECT t.* FROM (SELECT c.oid AS relid \(above)) r
                  JOIN pg_catalog.pg_class rc ON rc.oid = r.relid
                  JOIN pg_catalog.pg_namespace rn ON rn.oid = rc.relnamespace
                  JOIN pg_catalog.pg_publication_tables t ON t.schemaname = rn.nspname AND t.tablename = rc.relname
                 WHERE t.pubname IN (\(publications))) t ON true
              LEFT JOIN pg_catalog.pg_publication p ON p.pubname = t.pubname
             WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND \(UserObject.namespace)
               AND \(SourceSnapshot.ownedByNoExtension)
             ORDER BY 1, 2, 3
            """
    }
}
