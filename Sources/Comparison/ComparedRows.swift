import Catalog
import Postgres
import Spool

/// Keeps which tables a comparison found equal, so that a switchover need not compare them again: what has written a table
/// anew before that is of no matter.
package struct ComparedRows {
    private let source: ConnectionString
    private let spool: SpoolDirectory
    private let before: CatalogFacts

    /// Begins before the comparison.
    ///
    /// - Throws: ``PostgresError`` and `SpoolError`.
    package init(_ source: ConnectionString, _ spool: SpoolDirectory) throws {
        self.source = source
        self.spool = spool
        before = try Self.look(source)
    }

    private static func look(_ source: ConnectionString) throws -> CatalogFacts {
        try CatalogFacts.rows(Connection(source, applicationName: DatabaseSession.applicationName))
    }

    /// Writes down what the comparison found.
    package func note(_ results: [DataComparison.Result]) throws {
        guard var base = try CatalogBase.read(spool) else { return }
        let now = try Self.look(source)
        let equal = Set(results.filter { $0.state == .equal }.map(\.table))
        for (key, value) in now.values where equal.contains(key.name) && before[key] == value && base.source[key] != nil
        {
            base.source[key] = value
        }
        try base.write(spool)
    }
}
