import PgOutput
import Selection
import Spool

/// The tables that a segment has introduced so far, and whether they are selected.
public final class Layouts {
    private struct Entry {
        var relation: Relation
        var isSelected: Bool
        /// The places of the columns that are left out.
        var hidden: Set<Int>
    }

    private let selection: Selection
    private let mappings: [TableMapping]
    private var entries: [UInt32: Entry] = [:]
    /// Relation records as they stand in the log; they are seldom asked for.
    private var facts: [UInt32: [UInt8]] = [:]

    /// Changes whenever a layout does.
    private(set) var version = 0

    init(_ selection: Selection, _ mappings: [TableMapping]) {
        self.selection = selection
        self.mappings = mappings
    }

    /// The table's layout, if the segment has introduced it, under the name that the table is to have.
    public func relation(_ id: UInt32) -> Relation? {
        entries[id]?.relation
    }

    /// True when the table's rows are selected; nil for a table that was not introduced.
    func isSelected(_ id: UInt32) -> Bool? {
        entries[id]?.isSelected
    }

    /// The columns that identify a row: the replica identity or, when that is the whole row, the primary key. Empty
    /// when there is neither.
    public func keyColumns(_ id: UInt32) -> [String] {
        guard let relation = entries[id]?.relation else { return [] }
        if relation.replicaIdentity != .full { return relation.columns.filter(\.isKey).map(\.name) }
        guard let bytes = facts[id] else { return [] }
        let decoded = bytes.withUnsafeBytes { all -> RelationFacts? in
            try? JSON.decode(all, what: "the relation record", file: "")
        }
        return decoded?.primaryKey.filter { name in relation.columns.contains { $0.name == name } } ?? []
    }

    /// The places of the table's columns that are left out.
    func hiddenColumns(_ id: UInt32) -> Set<Int> {
        entries[id]?.hidden ?? []
    }

    /// Learns a layout.
    ///
    /// - Throws: `SelectionError` when a column is to be left out that is part of the table's key.
    func add(_ relation: Relation) throws(SelectionError) {
        let isSelected = selection.includesData(schema: relation.namespace, table: relation.name)
        let name = TableMapping.name(mappings, schema: relation.namespace, table: relation.name)
        let shown = Relation(
            id: relation.id, namespace: name.schema, name: name.table, replicaIdentity: relation.replicaIdentity,
            columns: relation.columns)
        entries[relation.id] = Entry(relation: shown, isSelected: isSelected, hidden: [])
        guard isSelected, !selection.excludeColumns.isEmpty else { return }
        let hidden = try selection.excludedColumns(
            schema: relation.namespace, table: relation.name, columns: relation.columns.map(\.name),
            keys: keyColumns(relation.id))
        entries[relation.id]?.hidden = hidden
        version += 1
    }

    /// The record stands before the Relation message that it belongs to.
    func addFacts(_ payload: UnsafeRawBufferPointer, file: String) throws(SpoolError) {
        struct Key: Decodable {
            let relation: UInt32
        }
        let key: Key = try JSON.decode(payload, what: "the relation record", file: file)
        facts[key.relation] = Array(payload)
    }

    func removeAll() {
        entries.removeAll(keepingCapacity: true)
        facts.removeAll(keepingCapacity: true)
        version += 1
    }
}
