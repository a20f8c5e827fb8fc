import Catalog
import Observability
import Postgres
import Selection

// What of the source is to be moved.
extension Preflight {
    /// Looks for patterns that are for nothing, and for what cannot be taken apart.
    func lookAtSelection() throws {
        guard !selection.includesAllObjects else { return }
        let objects = try SourceObjects(on: source, selection)
        for pattern in objects.unmatched {
            warn(
                .source, "filters", "\(pattern) matches nothing on the source",
                "if it is misspelt, what it was to leave out is moved, or what it was to include is not")
        }
        let torn = objects.torn
        if !torn.isEmpty {
            fail(
                .source, "filters", Figures.some(torn),
                "a partitioned table and its partitions go together: name them all, or leave out a partition by "
                    + "[exclude-table], or only its rows by [exclude-table-data]", .usage)
        }
        let tables = objects.relations.values.filter { $0.kind == "r" }
        let selected = tables.filter { selection.includesData(schema: $0.schema, table: $0.name) }
        pass(.source, "filters", "the rows of \(selected.count) of \(tables.count) tables are moved")
    }
}
