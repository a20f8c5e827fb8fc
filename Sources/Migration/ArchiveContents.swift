/// What is in an archive of pg_dump, as `pg_restore --list --verbose` writes it.
///
/// ```
/// 221; 1259 16535 VIEW public v postgres
/// ;	depends on: 218 218
/// ```
struct ArchiveContents {
    /// One object.
    struct Entry: Sendable {
        /// Its number in the archive.
        var id: Int
        /// What it is on the source; zeros for what has no object id, as a comment or a privilege.
        var address: SourceObjects.Address
        /// Kind, schema, name and owner.
        var text: String
        /// What must be there before, by the numbers in the archive.
        var dependencies: [Int] = []

        /// The line by which pg_restore is told to restore it.
        var line: String { "\(id); \(address.catalog) \(address.oid) \(text)" }

        /// A key, or another constraint that an index belongs to.
        var isConstraint: Bool { text.hasPrefix("CONSTRAINT ") }

        /// Rows are found by it, or kept apart.
        var isKey: Bool { isConstraint || text.hasPrefix("INDEX ") }

        /// Kind, schema and name.
        var name: String { text.split(separator: " ").dropLast().joined(separator: " ") }
    }

    private(set) var entries: [Entry] = []

    /// Takes the next line of the list.
    mutating func take(_ line: String) {
        if line.hasPrefix(";\tdepends on:") {
            guard !entries.isEmpty else { return }
            let numbers = line.drop { $0 != ":" }.dropFirst().split(separator: " ")
            entries[entries.count - 1].dependencies += numbers.compactMap { Int($0) }
            return
        }
        let words = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
        guard words.count == 4, words[0].last == ";", let id = Int(words[0].dropLast()),
            let catalog = UInt32(words[1]), let oid = UInt32(words[2])
        else { return }
        entries.append(Entry(id: id, address: .init(catalog: catalog, oid: oid), text: String(words[3])))
    }

    /// What is left of the archive.
    struct Selected {
        /// What is to be restored, in the archive's order.
        var kept: [Entry] = []
        /// What was not named, and cannot be without what was.
        var dependents: [Entry] = []
    }

    /// Leaves out objects, and everything that needs one of them.
    ///
    /// - Parameters:
    ///   - objects: what is not wanted.
    ///   - extensions: what is only not to be made: what needs it may find it on the target.
    func leaving(out objects: Set<SourceObjects.Address>, extensions: Set<SourceObjects.Address>) -> Selected {
        var gone = Set(entries.filter { objects.contains($0.address) }.map(\.id))
        // The list is in an order that can be restored, except for what was moved behind; so once is mostly enough.
        var before = -1
        while gone.count != before {
            before = gone.count
            for entry in entries where entry.dependencies.contains(where: { gone.contains($0) }) {
                gone.insert(entry.id)
            }
        }
        let skipped = Set(entries.filter { extensions.contains($0.address) }.map(\.id))
        var selected = Selected()
        for entry in entries {
            let belongsToSkipped =
                skipped.contains(entry.id)
                || entry.address.catalog == 0 && entry.dependencies.contains { skipped.contains($0) }
            if gone.contains(entry.id) {
                let isNamed = objects.contains(entry.address)
                // Comments, privileges and the like are not worth a word.
                if !isNamed && entry.address.catalog != 0 { selected.dependents.append(entry) }
            } else if !belongsToSkipped {
                selected.kept.append(entry)
            }
        }
        return selected
    }
}
