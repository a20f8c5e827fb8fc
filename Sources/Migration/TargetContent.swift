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

    /// What there cannot be twice: relations and types share their names, and so do routines, as far as is looked at here.
    var place: String {
        let space = kind == "schema" || kind == "large object" ? kind : kind == "function" ? kind : "relation"
        return kind == "large object" ? space : "\(space)\u{0}\(schema)\u{0}\(name)"
    }

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
