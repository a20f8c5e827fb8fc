import Catalog

/// What is in an archive of pg_dump, as `pg_restore --list --verbose` writes it.
///
/// ```
/// 221; 1259 16535 VIEW public v postgres
/// ;	depends on: 218 218
/// ```
package struct ArchiveContents {
    /// One object.
    package struct Entry: Sendable {
        /// Its number in the archive.
        package var id: Int
        /// What it is on the source; zeros for what has no object id, as a comment or a privilege.
        package var address: SourceObjects.Address
        /// Kind, schema, name and owner.
        package var text: String
        /// What must be there before, by the numbers in the archive.
        package var dependencies: [Int] = []
        /// pg_dump has it among what comes after the rows.
        package var isAfterRows = false

        /// The line by which pg_restore is told to restore it.
        package var line: String { "\(id); \(address.catalog) \(address.oid) \(text)" }

        /// A key, or another constraint that an index belongs to.
        var isConstraint: Bool { text.hasPrefix("CONSTRAINT ") }

        /// It makes an index of a partition a part of the partitioned table's.
        var isIndexAttachment: Bool { text.hasPrefix("INDEX ATTACH ") }

        /// Its rows are copied.
        package var isTable: Bool { text.hasPrefix("TABLE ") && !text.hasPrefix("TABLE ATTACH ") }

        /// It says something of the object that it depends on, and comes with it.
        package var isAddition: Bool { ["COMMENT ", "ACL ", "SECURITY LABEL "].contains { text.hasPrefix($0) } }

        /// It is checked against the rows of two tables.
        package var isForeignKey: Bool { text.hasPrefix("FK CONSTRAINT ") }

        /// It fills a materialized view.
        package var isRefresh: Bool { text.hasPrefix("MATERIALIZED VIEW DATA ") }

        /// It runs code of the user when rows change.
        package var isTrigger: Bool { text.hasPrefix("TRIGGER ") }

        /// It changes what is done when rows change. The query of a view is written as a rule, too.
        var isRule: Bool { text.hasPrefix("RULE ") && !text.contains(" _RETURN ") }

        /// It would act on changes that are applied to a table.
        package var actsOnChanges: Bool { isForeignKey || isTrigger || isRule }

        /// It is a schema.
        package var isSchema: Bool { text.hasPrefix("SCHEMA ") }

        /// Rows are found by it, or kept apart.
        package var isKey: Bool { isConstraint || text.hasPrefix("INDEX ") }

        /// It runs code of the user when something is made.
        var isEventTrigger: Bool { text.hasPrefix("EVENT TRIGGER ") }

        /// Who gets which privileges on what is made later.
        var isDefaultPrivilege: Bool { text.hasPrefix("DEFAULT ACL ") }

        /// Kind, schema and name.
        package var name: String { text.split(separator: " ").dropLast().joined(separator: " ") }
    }

    package private(set) var entries: [Entry] = []
    private var afterRows: Set<Int> = []

    /// Takes the next line of the list.
    package mutating func take(_ line: String) {
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

    /// Takes the next line of the list of only what comes after the rows.
    mutating func takeAfterRows(_ line: String) {
        guard let number = line.split(separator: ";", maxSplits: 1).first, let id = Int(number) else { return }
        afterRows.insert(id)
    }

    /// Notes in the entries which of them come after the rows, once both lists are taken.
    package mutating func finish() {
        for index in entries.indices { entries[index].isAfterRows = afterRows.contains(entries[index].id) }
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
                // Without its query only a view of NULLs would be left.
                if let view = viewOfQuery(entry) { gone.insert(view) }
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
                if !isNamed && entry.address.catalog != 0 && viewOfQuery(entry) == nil {
                    selected.dependents.append(entry)
                }
            } else if !belongsToSkipped {
                selected.kept.append(entry)
            }
        }
        return selected
    }

    /// The view that an entry gives its query, by its number: pg_dump makes a view that needs a key in two steps, the
    /// first with NULLs for columns. Nil for anything else.
    private func viewOfQuery(_ entry: Entry) -> Int? {
        guard entry.text.hasPrefix("RULE ") else { return nil }
        // "RULE shop names _RETURN owner" belongs to "VIEW shop names owner".
        let rule = entry.text.dropFirst("RULE ".count)
        let views = Set(
            rule.ranges(of: " _RETURN").map { range in
                "VIEW " + rule[..<range.lowerBound] + rule[range.upperBound...]
            })
        return entries.first { entry.dependencies.contains($0.id) && views.contains($0.text) }?.id
    }
}
