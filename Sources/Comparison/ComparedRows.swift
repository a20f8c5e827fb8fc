import Catalog
import Postgres
import Spool

/// Keeps which tables a comparison found equal, so that a switchover need not compare them again: what has written a table
/// anew before that is of no matter.
package struct ComparedRows {
    private let source: ConnectionString
    private let spool: SpoolDirectory
    private let publications: [String]
    private let before: CatalogFacts

    /// Begins before the comparison.
    ///
    /// - Parameter publications: those that send the changes.
    /// - Throws: ``PostgresError`` and `SpoolError`.
    package init(_ source: ConnectionString, _ spool: SpoolDirectory, publications: [String]) throws {
        self.source = source
        self.spool = spool
        self.publications = publications
        before = try Self.look(source, publications)
    }

    private static func look(_ source: ConnectionString, _ publications: [String]) throws -> CatalogFacts {
        try CatalogFacts.carried(
            Connection(source, applicationName: DatabaseSession.applicationName), publications: publications)
    }

    /// Writes down what the comparison found.
    package func note(_ results: [DataComparison.Result]) throws {
        guard var base = try CatalogBase.read(spool) else { return }
        let now = try Self.look(source, publications)
        let equal = Set(results.filter { $0.state == .equal }.map(\.table))
        for (key, value) in now.values where before[key] == value && base.source[key] != nil {
            guard let table = key.relation, equal.contains(Quoting.qualified(key.schema, table)) else { continue }
            base.source[key] = value
        }
        try base.write(spool)
    }
}
