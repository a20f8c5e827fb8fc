import Catalog
import Copying
import Observability
import Postgres

// The roles that the source's definitions name, on the target.
extension Preflight {
    private var setsOwners: Bool { !options.restoreOptions.contains("--no-owner") }
    private var setsPrivileges: Bool { !options.restoreOptions.contains("--no-acl") }

    /// Whether those that are named are there, and the session's role may make them owners.
    func lookAtTargetRoles() throws {
        let roles = try SourceRoles(on: source, selection, provider: providers.source)
        let known = Set(try column(target, "SELECT rolname FROM pg_catalog.pg_roles"))
        let needed = (setsOwners ? roles.owners : []).union(setsPrivileges ? roles.others : [])
        let missing = needed.subtracting(known).sorted()
        let reserved = roles.reserved.subtracting(known).sorted()
        if !reserved.isEmpty {
            pass(.target, "provider's roles", "not copied, with what they were granted: \(Figures.some(reserved))")
        }
        if options.copiesRoles {
            try lookAtRoleCopy()
        } else if missing.isEmpty {
            pass(.target, "roles", needed.isEmpty ? "none needed" : "all \(needed.count) are there")
        } else if options.skipsMissingRoles {
            warn(
                .target, "roles",
                "the target lacks roles of the source, and what they own or were granted is left out: \(Figures.some(missing))"
            )
        } else {
            fail(
                .target, "roles", "the target lacks roles of the source: \(Figures.some(missing))",
                "give --roles, or make them on the target, or give --skip-missing-roles, or --no-owner and --no-acl",
                sql: missing.map { "CREATE ROLE \(Quoting.identifier($0));" })
        }
        guard setsOwners, !options.copiesRoles, try text(target, DatabaseSession.isSuperuserQuery) != "t" else {
            return
        }
        let owners = options.skipsMissingRoles ? roles.owners.intersection(known) : roles.owners
        try lookAtMemberships(owners.sorted(), missing: missing)
        try lookAtSchemas(roles, owners)
    }

    /// Who makes someone else the owner must be a member of that role.
    private func lookAtMemberships(_ owners: [String], missing: [String]) throws {
        let role = Quoting.identifier(target.user)
        let others = try owners.filter { owner in
            guard !missing.contains(owner) else { return true }
            let name = Quoting.literal(owner)
            return try text(
                target,
                "SELECT pg_catalog.pg_has_role(\(name), 'MEMBER') AND pg_catalog.pg_has_role(\(name), 'USAGE')") != "t"
                || refusal(target, "SET LOCAL ROLE \(Quoting.identifier(owner))", doing: "trying a role") != nil
        }
        guard !others.isEmpty else { return pass(.target, "owners", "role \"\(target.user)\" may make them") }
        let grants = others.map { "GRANT \(Quoting.identifier($0)) TO \(role);" }
        fail(
            .target, "owners",
            "role \"\(target.user)\" may not make these owners of what is copied: \(Figures.some(others))",
            "run on the target: \(grants.joined(separator: " ")) Or give --no-owner, and all belongs to it", .privilege,
            sql: grants)
    }

    /// The owner of what lies in a schema must be allowed to make it there.
    private func lookAtSchemas(_ roles: SourceRoles, _ owners: Set<String>) throws {
        let known = Set(try column(target, "SELECT rolname FROM pg_catalog.pg_roles"))
        let there = try column(
            target, "SELECT n.nspname FROM pg_catalog.pg_namespace n WHERE \(UserObject.namespace)")
        var grants: [String] = []
        for schema in there {
            for owner in (roles.ownersBySchema[schema] ?? []).intersection(owners).sorted() {
                let name = "\(Quoting.literal(owner)), \(Quoting.literal(schema))"
                let mayCreate =
                    try known.contains(owner)
                    && text(target, "SELECT pg_catalog.has_schema_privilege(\(name), 'CREATE')") == "t"
                if !mayCreate {
                    grants.append(
                        "GRANT CREATE ON SCHEMA \(Quoting.identifier(schema)) TO \(Quoting.identifier(owner));")
                }
            }
        }
        guard !grants.isEmpty else { return }
        fail(
            .target, "owners in schemas", "owners of what is copied may not make anything where it is to lie",
            "run on the target: \(grants.joined(separator: " ")) Or give --no-owner", .privilege, sql: grants)
    }

    /// Who may read and make roles.
    private func lookAtRoleCopy() throws {
        let mayMake =
            try refusal(target, "CREATE ROLE walrelay_check", doing: "trying to make a role") == nil
        if !mayMake {
            let grant = "ALTER ROLE \(Quoting.identifier(target.user)) CREATEROLE;"
            fail(
                .target, "roles", "role \"\(target.user)\" may not make roles", "run on the target: \(grant)",
                .privilege,
                sql: [grant])
        } else {
            pass(.target, "roles", "those that are missing are made")
        }
        if options.copiesRolePasswords && !RoleCopy.mayReadPasswords(source) {
            warn(
                .source, "roles", "role \"\(source.user)\" may not read passwords: roles are copied without",
                "set them on the target")
        }
    }
}
