import Postgres
import Selection

/// An object that users made, on either side.
package struct UserObject: Hashable, Sendable {
    /// What kind of object it is.
    package var kind: String
    /// Its schema; for a schema itself; empty for what is in none.
    package var schema: String
    /// Its name alone.
    package var name: String
    /// Kind and name, for people.
    package var label: String

    /// What there cannot be twice: relations and types share their names, and so do routines, as far as is looked at here.
    package var place: String {
        let space = kind == "schema" || kind == "large object" ? kind : kind == "function" ? kind : "relation"
        return kind == "large object" ? space : "\(space)\u{0}\(schema)\u{0}\(name)"
    }

    /// A migration with this selection would make it.
    package func isSelected(_ selection: Selection) -> Bool {
        switch kind {
        case "table", "foreign table": selection.includes(schema: schema, table: name)
        case "view", "materialized view", "sequence": selection.includesObject(schema: schema, name: name)
        case "large object": true
        default: selection.includes(schema: schema)
        }
    }
}

extension UserObject {
    /// All of a database; an extension's own are not among them.
    package static func all(on connection: Connection) throws -> [UserObject] {
        let result = try connection.execute(query, doing: "listing what is in the database")
        return (0..<result.rowCount).compactMap { index in
            let row = result.row(index)
            guard let kind = row[0], let schema = row[1], let name = row[2], let shown = row[3] else { return nil }
            return UserObject(kind: kind, schema: schema, name: name, label: kind + " " + shown)
        }
    }

    /// Namespaces that users made. Ours has the target's position, and is not a part of what is moved.
    package static let namespace =
        "n.nspname <> 'information_schema' AND n.nspname <> 'walrelay' AND n.nspname !~ '^pg_'"

    /// Relations, routines, types and schemas.
    private static let query = """
        SELECT kind, schema, name, shown FROM (
          SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
                      WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'type' ELSE 'table' END AS kind,
                 n.nspname AS schema, c.relname AS name,
                 pg_catalog.format('%I.%I', n.nspname, c.relname) AS shown, c.oid,
                 'pg_catalog.pg_class'::pg_catalog.regclass AS class
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c') AND \(UserObject.namespace)
           UNION ALL
          SELECT 'function', n.nspname, p.proname, pg_catalog.format('%I.%I', n.nspname, p.proname), p.oid,
                 'pg_catalog.pg_proc'::pg_catalog.regclass
            FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE \(UserObject.namespace)
           UNION ALL
          SELECT 'type', n.nspname, t.typname, pg_catalog.format('%I.%I', n.nspname, t.typname), t.oid,
                 'pg_catalog.pg_type'::pg_catalog.regclass
            FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
           WHERE t.typtype IN ('e', 'd', 'r') AND \(UserObject.namespace)
           UNION ALL
          SELECT 'schema', n.nspname, n.nspname, pg_catalog.quote_ident(n.nspname), n.oid,
                 'pg_catalog.pg_namespace'::pg_catalog.regclass
            FROM pg_catalog.pg_namespace n WHERE n.nspname <> 'public' AND \(UserObject.namespace)
           UNION ALL
          SELECT 'large object', '', m.oid::pg_catalog.text, m.oid::pg_catalog.text, m.oid,
                 'pg_catalog.pg_largeobject'::pg_catalog.regclass FROM pg_catalog.pg_largeobject_metadata m) o
         WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                            WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype = 'e')
         ORDER BY 1, 4
        """
}
