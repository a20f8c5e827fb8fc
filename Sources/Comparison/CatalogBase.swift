import Catalog
import Postgres
import Spool

/// What both sides had when the copy was made; `state/catalog.json` in the spool.
package struct CatalogBase: Codable {
    /// As the copy's snapshot shows it; of rows, as they were when a comparison last found them equal.
    package var source: CatalogFacts
    /// When the copy was complete; nil before.
    package var target: CatalogFacts?

    package init(source: CatalogFacts, target: CatalogFacts? = nil) {
        self.source = source
        self.target = target
    }

    /// What was changed on both sides counts from now on as it is: another change of the source is another difference.
    ///
    /// - Returns: false when there was nothing like that.
    package mutating func takeOver(_ source: CatalogFacts, _ target: CatalogFacts) -> Bool {
        guard let before = self.target else { return false }
        var isChanged = false
        for (key, value) in source.values where key.kind.isPrintedOnce {
            guard let theirs = target[key], let ours = self.source[key], ours != value, before[key] != theirs else {
                continue
            }
            self.source[key] = value
            self.target?[key] = theirs
            isChanged = true
        }
        return isChanged
    }

    private static let file = "catalog.json"

    /// Both sides as they are now.
    package static func take(_ source: Connection, _ target: Connection, publications: [String]) throws -> CatalogBase {
        CatalogBase(
            source: try .read(source, publications: publications), target: try .read(target, publications: []))
    }

    /// What an earlier run has written; nil when there is none.
    package static func read(_ spool: SpoolDirectory) throws -> CatalogBase? {
        guard let bytes = try spool.state(file) else { return nil }
        let path = spool.statePath + "/" + file
        return try bytes.withUnsafeBytes { try JSON.decode($0, what: "the definitions of the copy", file: path) }
    }

    /// Keeps it, durably.
    package func write(_ spool: SpoolDirectory) throws {
        try spool.replaceState(Self.file, with: JSON.encode(self) + [0x0A])
    }

    /// Forgets what another migration has left.
    package static func remove(_ spool: SpoolDirectory) throws { try spool.removeState(file) }
}
