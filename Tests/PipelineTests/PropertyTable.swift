import TestSupport

/// A random table: what it looks like on the source and on the target, and how its rows are found.
struct PropertyTable: Sendable {
    /// Its REPLICA IDENTITY.
    enum Identity: Sendable {
        case usual
        case index
        case full
        /// Insert only.
        case nothing
    }

    let number: Int
    /// The bare name.
    let name: String
    let columns: [PropertyColumn]
    let identity: Identity
    /// Its primary key is checked late, so that rows may share a key for a while.
    let isDeferrable: Bool
    let isPartitioned: Bool
    /// Types and extensions that must be there before.
    let setup: [String]

    var quoted: String { Cluster.identifier(name) }
    var key: [PropertyColumn] { columns.filter { $0.role == .key } }
    var number0: PropertyColumn? { columns.first { $0.role == .number } }
    var inserted: [PropertyColumn] { columns.filter(\.isInserted) }
    /// What updates may set: not the key.
    var settable: [PropertyColumn] { columns.filter { [.value, .number, .large].contains($0.role) } }
    /// The key is one integer that statements can calculate with.
    var hasIntegerKey: Bool { key.count == 1 && ["int", "bigint"].contains(key[0].type) }
    var isAlwaysIdentity: Bool { key.contains { $0.suffix.contains("ALWAYS") } }
    var leaves: [String] { isPartitioned ? (0..<3).map { Cluster.identifier("leaf \(number).\($0)") } : [] }

    /// What stops an INSERT of a key that is there from being an error.
    var conflictClause: String { key.isEmpty || isDeferrable ? "" : " ON CONFLICT DO NOTHING" }
}

// The definition.
extension PropertyTable {
    /// SQL that makes the table on the source.
    func sourceDefinition() -> String {
        let gone = Cluster.identifier("gone before")
        let first = PropertyColumn(name: "gone before", role: .dropped, type: "text").definition
        return definition([first] + columns.filter { $0.role != .added }.map(\.definition))
            + "ALTER TABLE \(quoted) DROP COLUMN \(gone);\n" + storage + replicaIdentity
    }

    /// SQL that makes it on the target: the columns in another order, and those that are to come.
    func targetDefinition(_ random: inout PropertyRandom) -> String {
        definition(random.shuffled(columns).map(\.definition)) + storage
    }

    private func definition(_ columns: [String]) -> String {
        var parts = columns
        let names = key.map(\.quoted).joined(separator: ", ")
        if !key.isEmpty && identity != .index {
            parts.append("PRIMARY KEY (\(names))" + (isDeferrable ? " DEFERRABLE" : ""))
        }
        var sql = "CREATE TABLE \(quoted) (\(parts.joined(separator: ", ")))"
        if isPartitioned {
            let column = (key.first ?? number0)?.quoted ?? ""
            sql += " PARTITION BY \(key.isEmpty ? "LIST" : "RANGE") (\(column))"
        }
        sql += ";\n"
        let bounds =
            key.isEmpty
            ? ["FOR VALUES IN (0, 1, 2)", "FOR VALUES IN (NULL, 3)", "DEFAULT"]
            : [
                "FOR VALUES FROM (MINVALUE) TO (8)", "FOR VALUES FROM (8) TO (40)",
                "FOR VALUES FROM (40) TO (MAXVALUE)",
            ]
        for (leaf, bound) in zip(leaves, bounds) { sql += "CREATE TABLE \(leaf) PARTITION OF \(quoted) \(bound);\n" }
        if identity == .index { sql += "CREATE UNIQUE INDEX \(indexName) ON \(quoted) (\(names));\n" }
        return sql
    }

    private var indexName: String { Cluster.identifier("index of \(number)") }

    private var storage: String {
        columns.filter { $0.role == .large || ($0.role == .key && $0.values.contains { $0.utf8.count > 2000 }) }
            .map { "ALTER TABLE \(quoted) ALTER \($0.quoted) SET STORAGE EXTERNAL;\n" }.joined()
    }

    private var replicaIdentity: String {
        let form: String
        switch identity {
        case .usual: return ""
        case .index: form = "USING INDEX \(indexName)"
        case .full: form = "FULL"
        case .nothing: form = "NOTHING"
        }
        return ([quoted] + leaves).map { "ALTER TABLE \($0) REPLICA IDENTITY \(form);\n" }.joined()
    }

    /// SQL for the source at the end of the load, in case that its session did not come to it.
    var lastSourceChanges: String {
        columns.compactMap { column in
            switch column.role {
            case .added: "ALTER TABLE \(quoted) ADD COLUMN IF NOT EXISTS \(column.definition);\n"
            case .dropped: "ALTER TABLE \(quoted) DROP COLUMN IF EXISTS \(column.quoted);\n"
            default: nil
            }
        }.joined()
    }

    /// SQL for the target, once everything is applied.
    var lastTargetChanges: String {
        columns.filter { $0.role == .dropped }.map { "ALTER TABLE \(quoted) DROP COLUMN \($0.quoted);\n" }.joined()
    }
}
