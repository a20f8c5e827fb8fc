import Apply
import Capture
import Catalog
import Observability
import Postgres
import Selection

// What the roles of the two sessions may do there. What can be tried is tried.
extension Preflight {
    /// Whether a session for replication can be had.
    func lookAtReplication() throws {
        guard let refusal = try ReplicationRefusal.look(options.source, catalog: source) else {
            return pass(.source, "role", "\"\(source.user)\" may replicate")
        }
        fail(
            .source, "role", refusal.detail, refusal.remedy, refusal.isPrivilege ? .privilege : .unsuitableServer,
            sql: refusal.grant.map { [$0] })
    }

    /// What of the tables' changes can be followed.
    func lookAtPublishing() throws {
        guard options.publications.isEmpty else { return try lookAtOwnPublications() }
        let (names, owners) = try foreignTables()
        let mayCreate =
            try refusal(source, "CREATE PUBLICATION walrelay_check", doing: "trying to make a publication") == nil
        if mayCreate && names.isEmpty {
            return pass(.source, "publication", "role \"\(source.user)\" may make it")
        }
        let role = Quoting.identifier(source.user)
        var grants = mayCreate ? [] : ["GRANT CREATE ON DATABASE \(Quoting.identifier(source.database)) TO \(role);"]
        grants += owners.map { "GRANT \(Quoting.identifier($0)) TO \(role);" }
        fail(
            .source, "publication",
            names.isEmpty
                ? "role \"\(source.user)\" may not make a publication"
                : "role \"\(source.user)\" does not own \(Figures.some(names)), so it may not publish them",
            "run on the source: \(grants.joined(separator: " ")) Or have the owner make a publication and name it with "
                + "--publication", .privilege, sql: grants)
    }

    /// Tables that are copied and belong to roles of which the session's is no member.
    private func foreignTables() throws -> (names: [String], owners: [String]) {
        let others = try source.execute(
            """
            SELECT n.nspname, c.relname, pg_catalog.pg_get_userbyid(c.relowner)
              FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND \(UserObject.namespace)
               AND \(SourceSnapshot.ownedByNoExtension)
               AND NOT pg_catalog.pg_has_role(c.relowner, 'USAGE') ORDER BY 1, 2
            """, doing: "looking at the tables' owners")
        var (names, owners): ([String], [String]) = ([], [])
        for index in 0..<others.rowCount {
            guard let schema = others.text(index, 0), let table = others.text(index, 1),
                let owner = others.text(index, 2), selection.includesData(schema: schema, table: table)
            else { continue }
            names.append(Quoting.qualified(schema, table))
            if !owners.contains(owner) { owners.append(owner) }
        }
        return (names, owners)
    }

    /// Whether definitions and rows can be read. What belongs to those whose tables are to be published is not named twice.
    func lookAtReading() throws {
        let follows = options.follows && options.publications.isEmpty
        let owners = Set(follows ? try foreignTables().owners : [])
        let result = try source.execute(
            """
            SELECT 'schema', n.nspname, NULL, pg_catalog.pg_get_userbyid(n.nspowner) FROM pg_catalog.pg_namespace n
             WHERE \(UserObject.namespace) AND NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE')
             UNION ALL
            SELECT CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END, n.nspname, c.relname,
                   pg_catalog.pg_get_userbyid(c.relowner)
              FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'p', 'S', 'v', 'm') AND c.relpersistence <> 't' AND \(UserObject.namespace)
               AND \(SourceSnapshot.ownedByNoExtension) AND NOT pg_catalog.has_table_privilege(c.oid, 'SELECT')
             ORDER BY 2, 3 NULLS FIRST
            """, doing: "looking for what may not be read")
        let role = Quoting.identifier(source.user)
        var (names, grants): ([String], [String]) = ([], [])
        for index in 0..<result.rowCount {
            guard let kind = result.text(index, 0), let schema = result.text(index, 1),
                let owner = result.text(index, 3), !owners.contains(owner)
            else { continue }
            let relation = result.text(index, 2)
            if let relation {
                guard selection.includesObject(schema: schema, name: relation) else { continue }
                names.append("\(kind) \(Quoting.qualified(schema, relation))")
                grants.append(
                    "GRANT SELECT ON \(kind == "sequence" ? "SEQUENCE " : "")\(Quoting.qualified(schema, relation)) TO \(role);"
                )
            } else if selection.includes(schema: schema) {
                names.append("schema \(Quoting.identifier(schema))")
                grants.append("GRANT USAGE ON SCHEMA \(Quoting.identifier(schema)) TO \(role);")
            }
        }
        guard !names.isEmpty else {
            return pass(.source, "reading", "role \"\(source.user)\" may read what is copied")
        }
        fail(
            .source, "reading", "role \"\(source.user)\" may not read \(Figures.some(names))",
            "run on the source: \(grants.prefix(8).joined(separator: " "))"
                + (grants.count > 8 ? " … (clone check --sql source prints all)" : ""), .privilege, sql: grants)
    }

    /// What `clone switchover --fence` will need.
    func lookAtFence() throws {
        if let (words, remedy) = try SourceFence.writingRoles(source) { warn(.source, "fence", words, remedy) }
        let missing = try SourceFence.missingGrants(source)
        guard !missing.isEmpty else {
            return pass(.source, "fence", "role \"\(source.user)\" may make the source read-only in the switchover")
        }
        warn(
            .source, "fence",
            "role \"\(source.user)\" may not make the source read-only and end its sessions (clone switchover --fence)",
            "run on the source: \(missing.joined(separator: " ")) Or stop the application yourself", sql: missing)
    }

    /// What `replay` needs on the target.
    func lookAtTargetRole() throws {
        let refused = try refusal(
            target, "SET LOCAL session_replication_role = replica", doing: "switching off triggers")
        let role = Quoting.identifier(target.user)
        if leavesTriggersLate {
            pass(.target, "role", "foreign keys and triggers come in the switchover (--triggers late)")
        } else if refused == nil {
            pass(.target, "role", "\"\(target.user)\" may switch off triggers and foreign keys")
        } else if options.triggers == .copy {
            fail(
                .target, "role", "the role \(role) may not switch off triggers and foreign keys on the target",
                TargetPrivileges.replicaRoleAdvice(target), .privilege,
                sql: TargetPrivileges.replicaRoleGrant(target).map { [$0] })
        } else {
            leavesTriggersLate = true
            warn(
                .target, "role",
                "the role \(role) may not switch off triggers and foreign keys on the target, so they are left out there "
                    + "until the switchover (--triggers late)",
                "if they are to come with the copy: " + TargetPrivileges.replicaRoleAdvice(target),
                sql: TargetPrivileges.replicaRoleGrant(target).map { [$0] })
        }
        let state = try target.progressTableState()
        let mayKeep =
            state == .none
            ? try refusal(target, "CREATE SCHEMA walrelay", doing: "trying to make the schema walrelay") == nil
            : try mayKeepPosition(state)
        guard !mayKeep else { return pass(.target, "position", "\"\(target.user)\" may keep it in walrelay.progress") }
        let grant = TargetPrivileges.progressGrant(target)
        fail(
            .target, "position", "role \"\(target.user)\" may not keep the target's position in walrelay.progress",
            grant, .privilege, sql: [grant])
    }

    private func mayKeepPosition(_ state: ProgressTableState) throws -> Bool {
        let query =
            switch state {
            case .none: "true"
            case .schema:
                "pg_catalog.has_schema_privilege('walrelay', 'USAGE') "
                    + "AND pg_catalog.has_schema_privilege('walrelay', 'CREATE')"
            case .old:
                "(SELECT pg_catalog.pg_has_role(relowner, 'USAGE') FROM pg_catalog.pg_class c JOIN "
                    + "pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
                    + "WHERE n.nspname = 'walrelay' AND c.relname = 'progress')"
            case .present:
                "pg_catalog.has_schema_privilege('walrelay', 'USAGE') AND "
                    + ["SELECT", "INSERT", "UPDATE", "DELETE"].map {
                        "pg_catalog.has_table_privilege('walrelay.progress', '\($0)')"
                    }.joined(separator: " AND ")
            }
        return try text(target, "SELECT \(query)") == "t"
    }

    /// Whether schemas, and what is in `public`, can be made.
    func lookAtMaking() throws {
        let role = Quoting.identifier(target.user)
        var grants: [String] = []
        if try refusal(target, "CREATE SCHEMA walrelay_check", doing: "trying to make a schema") == nil {
            pass(.target, "database", "role \"\(target.user)\" may create schemas")
        } else {
            grants.append("GRANT CREATE ON DATABASE \(Quoting.identifier(target.database)) TO \(role);")
            fail(
                .target, "database", "role \"\(target.user)\" may not create schemas in the database", grants[0],
                .privilege, sql: grants)
        }
        let isUsed = try UserObject.all(on: source).contains { $0.schema == "public" && $0.isSelected(selection) }
        let isThere = try !column(target, "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = 'public'").isEmpty
        guard isUsed, isThere,
            try refusal(target, "CREATE TABLE public.walrelay_check ()", doing: "trying to make a table") != nil
        else { return }
        let grant = "GRANT USAGE, CREATE ON SCHEMA public TO \(role);"
        fail(
            .target, "schema public", "role \"\(target.user)\" may not make anything in the schema public", grant,
            .privilege, sql: [grant])
    }
}
