import PgOutput

/// What a table and its columns were called when changes of it came. The target finds tables by their names: what was renamed for
/// a while, and has its old name again, may have left its changes in another table.
///
/// `state/relations.jsonl` in the spool has one of them a line, each once, in the order in which they came.
package struct NamedRelation: Codable, Sendable, Hashable {
    /// The table's OID on the source.
    package var relation: UInt32
    /// Its schema then.
    package var schema: String
    /// Its name then.
    package var table: String
    /// The names of the columns that were sent, in the table's order.
    package var columns: [String]

    static let file = "relations.jsonl"

    /// Names that are given.
    package init(relation: UInt32, schema: String, table: String, columns: [String]) {
        self.relation = relation
        self.schema = schema
        self.table = table
        self.columns = columns
    }

    /// What a Relation message says.
    package init(_ relation: Relation) {
        self.init(
            relation: relation.id, schema: relation.namespace, table: relation.name,
            columns: relation.columns.map(\.name))
    }

    /// The table's schema and name are those.
    package func isCalled(_ schema: String, _ table: String) -> Bool { self.schema == schema && self.table == table }

    /// All its columns are among `all`, in the same order.
    package func hasColumns(among all: [String]) -> Bool {
        var rest = all[...]
        return columns.allSatisfy { column in
            guard let place = rest.firstIndex(of: column) else { return false }
            rest = rest[(place + 1)...]
            return true
        }
    }

    /// All that a spool has. A line that cannot be read counts as none.
    package static func all(in spool: SpoolDirectory) throws(SpoolError) -> [NamedRelation] {
        try spool.state(file).map(decoded) ?? []
    }

    static func decoded(_ bytes: [UInt8]) -> [NamedRelation] {
        bytes.split(separator: UInt8(ascii: "\n")).compactMap { line in
            line.withUnsafeBytes { try? JSON.decode($0, what: "a table's name", file: file) }
        }
    }
}
