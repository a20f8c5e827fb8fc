import Catalog
import Logging
import Observability
import Postgres

/// Gives what pg_restore has made its owners and privileges, statement by statement, where the target's role may not do
/// all that a superuser may: what is refused is passed over and named, and so is what belongs to roles that are not there.
package struct CarefulRestore {
    package let target: Connection
    package let skipsMissingRoles: Bool
    /// The roles that there are, as SQL writes them.
    private let roles: Set<String>
    private let provider: Provider?
    package let logger: Logger
    package private(set) var remarks: [String] = []
    /// Roles that are not there, and what they had is left out.
    package private(set) var missing: Set<String> = []

    /// Nil where pg_restore can do it all by itself.
    package init?(_ servers: ServerPair, skipsMissingRoles: Bool, logger: Logger) throws {
        let target = try DatabaseSession.connect(servers.target, encoding: "UTF8")
        let source = try Connection(servers.source, applicationName: DatabaseSession.applicationName)
        let isSuperuser =
            try target.execute(DatabaseSession.isSuperuserQuery, doing: "asking for the role").text(0, 0) == "t"
        let providers = (source: try Provider.of(source), target: try Provider.of(target))
        guard
            !isSuperuser || skipsMissingRoles || providers.source != nil || providers.target != nil
        else { return nil }
        let names = try target.execute(
            "SELECT pg_catalog.quote_ident(rolname) FROM pg_catalog.pg_roles", doing: "listing the target's roles")
        roles = Set(names.column())
        provider = providers.source
        self.skipsMissingRoles = skipsMissingRoles
        self.target = target
        self.logger = logger
    }

    /// What is not given to pg_restore: who does not own what it is about may be refused.
    package static func isDelicate(_ entry: ArchiveContents.Entry) -> Bool {
        entry.isDefaultPrivilege || entry.isEventTrigger
            || ["ACL ", "COMMENT - EXTENSION ", "COMMENT - SCHEMA ", "COMMENT - EVENT TRIGGER ", "SECURITY LABEL "]
                .contains { entry.text.hasPrefix($0) }
    }

    /// What a service keeps for itself: neither its event triggers nor its default privileges are for other servers.
    static func isProviders(_ entry: ArchiveContents.Entry, _ provider: Provider?) -> Bool {
        guard entry.isEventTrigger || entry.isDefaultPrivilege,
            let owner = entry.text.split(separator: " ").last
        else { return false }
        return Provider.isReserved(String(owner), on: provider)
    }

    /// Options of pg_restore that leave it all to this.
    package static let restoreOptions = ["--no-owner", "--no-acl"]

    /// Runs what is left to be said of entries that were made, and the delicate ones among them.
    ///
    /// - Parameter statements: of each entry, by its number, with owners and privileges as they are wanted.
    package mutating func finish(_ entries: [ArchiveContents.Entry], statements: [Int: String]) throws {
        for entry in entries where !Self.isProviders(entry, provider) {
            guard let text = statements[entry.id] else { continue }
            // What sets up the session for the next entry stands behind this one.
            let lines = text.split(separator: "\n").map(String.init).filter { !$0.hasPrefix("SET default_table") }
            if !Self.isDelicate(entry) {
                guard let line = lines.last, line.hasPrefix("ALTER "), let range = line.ranges(of: " OWNER TO ").last
                else { continue }
                let owner = String(line[range.upperBound...].dropLast())
                guard try isThere(owner, of: entry) else { continue }
                try run(line, entry, isOwner: true)
            } else if entry.isDefaultPrivilege || entry.text.hasPrefix("ACL ") {
                for line in try privileges(lines, of: entry) { try run(line, entry) }
                if lines.contains(where: { $0.hasPrefix("SET SESSION AUTHORIZATION ") }) {
                    try target.execute("RESET ROLE", doing: "being oneself again")
                }
            } else {
                try run(text, entry)
            }
        }
    }

    /// The lines that grant and revoke, without those for roles that are not there.
    private mutating func privileges(_ lines: [String], of entry: ArchiveContents.Entry) throws -> [String] {
        var kept: [String] = []
        var isSkipping = false
        for line in lines where !line.isEmpty {
            // Only a superuser may be someone else from the start.
            if line.hasPrefix("SET SESSION AUTHORIZATION ") {
                let role = line.dropFirst("SET SESSION AUTHORIZATION ".count).prefix { $0 != ";" }
                isSkipping = try !isThere(String(role), of: entry)
                if !isSkipping { kept.append("SET ROLE \(role);") }
                continue
            }
            if line.hasPrefix("RESET SESSION AUTHORIZATION") {
                if !isSkipping { kept.append("RESET ROLE;") }
                isSkipping = false
                continue
            }
            if isSkipping { continue }
            let words = line.replacing(" WITH GRANT OPTION;", with: ";")
            let separator = words.ranges(of: " TO ").last ?? words.ranges(of: " FROM ").last
            if let separator {
                let grantee = String(words[separator.upperBound...].prefix { $0 != ";" })
                guard try grantee == "PUBLIC" || isThere(grantee, of: entry) else { continue }
            }
            if line.hasPrefix("ALTER DEFAULT PRIVILEGES FOR ROLE ") {
                let rest = line.dropFirst("ALTER DEFAULT PRIVILEGES FOR ROLE ".count)
                let ends = [" IN SCHEMA ", " GRANT ", " REVOKE "].compactMap { rest.firstRange(of: $0)?.lowerBound }
                if let end = ends.min(), try !isThere(String(rest[..<end]), of: entry) { continue }
            }
            kept.append(line)
        }
        return kept
    }

    /// A role is on the target; one that is not is noted, or an error.
    private mutating func isThere(_ role: String, of entry: ArchiveContents.Entry) throws -> Bool {
        if roles.contains(role) { return true }
        let name = role.replacing("\"", with: "")
        guard skipsMissingRoles || Provider.isReserved(name, on: provider) else {
            throw ProgramFailure(
                .unsuitableServer,
                "\(entry.name): the target has no role \(role); make it there, or give --roles or --skip-missing-roles, and "
                    + "run the same command again")
        }
        missing.insert(name)
        return false
    }

    private mutating func run(_ statement: String, _ entry: ArchiveContents.Entry, isOwner: Bool = false) throws {
        do throws(PostgresError) {
            try target.execute(statement, doing: "restoring \(entry.name)")
        } catch {
            guard error.isOfStatement else { throw error }
            guard error.sqlState == .insufficientPrivilege, !isOwner else {
                throw ProgramFailure(
                    error.sqlState == .insufficientPrivilege ? .privilege : .conflict,
                    "\(entry.name): \(error.message) (\(statement)); clone check says what the role lacks. Fix that and run "
                        + "the same command again, or give --no-owner")
            }
            remarks.append("left as the target has it: \(entry.name) (\(error.message)): \(Self.first(statement))")
        }
    }

    private static func first(_ statement: String) -> String {
        let line = statement.prefix { $0 != "\n" }
        return line.count > 200 ? line.prefix(200) + "…" : String(line)
    }
}
