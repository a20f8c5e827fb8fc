import Catalog
import Copying
import Observability
import Postgres

// Migrations that fill the same target.
extension Preflight {
    /// Two that apply the same database's changes to one target would do each twice, and neither would see it.
    func lookForOtherMigrations() throws {
        let check = "other migrations"
        let here = try DatabaseSession.identity(source)
        let others = try OtherMigration.all(on: target, besides: options.stream).filter { other in
            // Nobody knows what one copies that has no position yet; it has the tables that this one would drop.
            other.source == here || options.dropsIfExists && other.source == nil
        }
        guard !others.isEmpty else {
            return pass(.target, check, "no other migration fills the target from this source")
        }
        let words = "another migration fills the target: \(Figures.some(others.map(\.words)))"
        let remedy =
            "continue that one, by its own --dir, --slot-name and --origin; or end it there with clone cleanup first. Two that apply "
            + "the same changes would do each of them twice"
        // Whoever divides a database names the tables of each part.
        if options.filters != nil && !options.dropsIfExists {
            warn(.target, check, words + "; no table may be in both")
        } else {
            fail(.target, check, words, remedy, .foreign)
        }
    }
}

/// A migration that the target knows of.
struct OtherMigration {
    /// Its stream's name.
    var stream: String
    /// What its changes come from; nil while there is no position.
    var source: DatabaseIdentity?
    /// What is known of it, in a few words.
    var words: String

    /// Those whose switchover is not made.
    static func all(on target: Connection, besides stream: String) throws -> [OtherMigration] {
        let doing = "looking for other migrations to the target"
        let hasRows = try target.progressTableState() == .present
        let hasMarks = try TargetMark(target).isThere()
        guard hasRows || hasMarks else { return [] }
        let none = "(SELECT NULL::pg_catalog.text, NULL::pg_catalog.text, NULL::pg_catalog.text WHERE false)"
        let rows =
            hasRows
            ? "(SELECT stream, source_system, source_database FROM \(Connection.progressTable) WHERE lane OPERATOR(pg_catalog.=) 0)"
            : none
        let marks = hasMarks ? "(SELECT stream, state, id FROM \(TargetMark.table))" : none
        let result = try target.query(
            """
            SELECT coalesce(p.stream, m.stream), p.source_system, p.source_database, m.state
              FROM \(rows) p (stream, source_system, source_database) FULL JOIN \(marks) m (stream, state, id)
                ON m.stream OPERATOR(pg_catalog.=) p.stream
             WHERE coalesce(p.stream, m.stream) OPERATOR(pg_catalog.<>) $1
               AND coalesce(m.state, '') OPERATOR(pg_catalog.<>) 'switched' ORDER BY 1
            """, [stream], doing: doing)
        return (0..<result.rowCount).map { index in
            let row = result.row(index)
            let name = row[0] ?? ""
            let source = row[1].flatMap { system in
                row[2].map { DatabaseIdentity(systemIdentifier: system, name: $0) }
            }
            let facts = [row[3], source.map { "from database \(Quoting.identifier($0.name))" }].compactMap { $0 }
            return OtherMigration(
                stream: name, source: source, words: ([Quoting.identifier(name)] + facts).joined(separator: ", "))
        }
    }
}
