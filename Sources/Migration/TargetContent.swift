import Selection

/// An object that users made, in a database that is to be copied to or from.
struct TargetContent: Hashable, Sendable {
    /// What kind of object it is.
    var kind: String
    /// Its schema; for a schema itself; empty for what is in none.
    var schema: String
    /// Its name alone.
    var name: String
    /// Kind and name, for people.
    var label: String

    /// A migration with this selection would make it.
    func isSelected(_ selection: Selection) -> Bool {
        switch kind {
        case "table", "foreign table": selection.includes(schema: schema, table: name)
        case "view", "materialized view", "sequence": selection.includesObject(schema: schema, name: name)
        case "large object": true
        default: selection.includes(schema: schema)
        }
    }
}
