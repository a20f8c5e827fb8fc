import Catalog
import Postgres
import Selection

// Looking at both sides.
extension Drift {
    /// Compares both sides now. Without a complete copy that says what there was before, what the versions do not write alike
    /// counts as equal.
    package static func look(
        _ copy: ComparedCopy?, _ selection: Selection, _ source: Connection, _ target: Connection
    ) throws -> Drift {
        guard let copy, copy.isComplete else {
            let (ours, theirs) = (
                try CatalogFacts.read(source, publications: []), try CatalogFacts.read(target, publications: [])
            )
            let objects = selection.includesAllObjects ? nil : try SourceObjects(on: source, selection)
            return Drift(source: ours, target: theirs, base: (ours, theirs)) { key in objects?.includes(key) ?? true }
        }
        // What holds a table's lock for long must not hold this up.
        for connection in [source, target] { try connection.set("lock_timeout", to: "5s") }
        let ours = try CatalogFacts.read(source, publications: copy.publications)
        let theirs = try CatalogFacts.read(target, publications: [])
        var base = try CatalogBase.read(copy.spool) ?? CatalogBase(source: ours)
        if base.target == nil {
            // Begun by a version that did not look.
            base.target = theirs
            try base.write(copy.spool)
        }
        let objects = selection.includesAllObjects ? nil : try SourceObjects(on: source, selection)
        let drift = Drift(
            source: ours, target: theirs, base: (base.source, base.target ?? theirs), isShared: copy.isShared
        ) { key in objects?.includes(key) ?? true }
        if base.takeOver(ours, theirs) { try base.write(copy.spool) }
        return drift
    }
}

extension SourceObjects {
    /// What the fact is about is moved. What the source does not have is judged by its name.
    fileprivate func includes(_ key: CatalogFacts.Key) -> Bool {
        guard let name = key.relation else { return selection.includes(schema: key.schema) }
        if let relation = byName[Quoting.qualified(key.schema, name)] { return includes(relation) }
        return key.kind == .table || key.isPart
            ? selection.includes(schema: key.schema, table: name)
            : selection.includesObject(schema: key.schema, name: name)
    }
}
