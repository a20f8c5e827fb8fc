import Postgres
import Selection

/// The roles of the source that the definitions name: owners, grantees, and those of default privileges and policies.
package struct SourceRoles {
    /// Those that own something that is copied.
    package private(set) var owners: Set<String> = []
    /// Those that have privileges, on it or by default, or that a policy is for.
    package private(set) var others: Set<String> = []
    /// The owners of what lies in a schema.
    package private(set) var ownersBySchema: [String: Set<String>] = [:]
    /// Roles of the service that the source belongs to, which stay there.
    package private(set) var reserved: Set<String> = []

    package init(on source: Connection, _ selection: Selection, provider: Provider?) throws {
        let result = try source.execute(Self.query, doing: "looking for the roles that definitions name")
        for index in 0..<result.rowCount {
            let row = result.row(index)
            // What belongs to the server itself is on every server.
            guard let kind = row[0], let role = row[3], !role.hasPrefix("pg_") else { continue }
            if let schema = row[1] {
                guard
                    row[2].map({ selection.includesObject(schema: schema, name: $0) })
                        ?? selection.includes(schema: schema)
                else { continue }
            }
            guard !Provider.isReserved(role, on: provider) else {
                reserved.insert(role)
                continue
            }
            guard kind == "owner" else {
                others.insert(role)
                continue
            }
            owners.insert(role)
            if let schema = row[1] { ownersBySchema[schema, default: []].insert(role) }
        }
    }

    /// What the role is to an object, the object's schema and, for a relation, its name, and the role.
    private static let query = """
        SELECT DISTINCT kind, schema, relation, r.rolname FROM (
          SELECT 'owner' AS kind, n.nspname AS schema, c.relname AS relation, c.relowner AS role
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c') AND c.relpersistence <> 't'
             AND \(UserObject.namespace) AND \(SourceSnapshot.ownedByNoExtension)
           UNION ALL
          SELECT 'grantee', n.nspname, c.relname, a.grantee
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            CROSS JOIN LATERAL (
              SELECT x.grantee FROM pg_catalog.aclexplode(c.relacl) x
               UNION ALL SELECT x.grantee FROM pg_catalog.pg_attribute t
                         CROSS JOIN LATERAL pg_catalog.aclexplode(t.attacl) x
                          WHERE t.attrelid = c.oid AND t.attacl IS NOT NULL) a
           WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relpersistence <> 't'
             AND \(UserObject.namespace) AND \(SourceSnapshot.ownedByNoExtension)
           UNION ALL
          SELECT o.kind, n.nspname, NULL, o.role
            FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
            CROSS JOIN LATERAL (
              SELECT 'owner' AS kind, p.proowner AS role
               UNION ALL SELECT 'grantee', x.grantee FROM pg_catalog.aclexplode(p.proacl) x) o
           WHERE \(UserObject.namespace) AND \(CatalogFacts.noExtension("pg_proc", "p.oid"))
           UNION ALL
          SELECT o.kind, n.nspname, NULL, o.role
            FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
            CROSS JOIN LATERAL (
              SELECT 'owner' AS kind, t.typowner AS role
               UNION ALL SELECT 'grantee', x.grantee FROM pg_catalog.aclexplode(t.typacl) x) o
           WHERE t.typtype IN ('e', 'd', 'r') AND \(UserObject.namespace) AND \(CatalogFacts.noExtension("pg_type", "t.oid"))
           UNION ALL
          SELECT o.kind, n.nspname, NULL, o.role FROM pg_catalog.pg_namespace n
            CROSS JOIN LATERAL (
              SELECT 'owner' AS kind, n.nspowner AS role WHERE n.nspname <> 'public'
               UNION ALL SELECT 'grantee', x.grantee FROM pg_catalog.aclexplode(n.nspacl) x) o
           WHERE \(UserObject.namespace)
           UNION ALL
          SELECT 'grantee', n.nspname, NULL, o.role
            FROM pg_catalog.pg_default_acl d LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace
            CROSS JOIN LATERAL (
              SELECT d.defaclrole AS role UNION ALL SELECT x.grantee FROM pg_catalog.aclexplode(d.defaclacl) x) o
           WHERE pg_catalog.pg_get_userbyid(d.defaclrole) <> ALL (\(Provider.reservedArray))
           UNION ALL
          SELECT 'policy', n.nspname, c.relname, o.role
            FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            CROSS JOIN LATERAL pg_catalog.unnest(p.polroles) o (role)
           UNION ALL
          SELECT o.kind, NULL, NULL, o.role FROM pg_catalog.pg_largeobject_metadata m
            CROSS JOIN LATERAL (
              SELECT 'owner' AS kind, m.lomowner AS role
               UNION ALL SELECT 'grantee', x.grantee FROM pg_catalog.aclexplode(m.lomacl) x) o) named
          JOIN pg_catalog.pg_roles r ON r.oid = named.role
         ORDER BY 4, 1
        """
}
