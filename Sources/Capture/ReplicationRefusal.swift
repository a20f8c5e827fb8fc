import Postgres

/// Why a server gave no session for replication to a role that it gave an ordinary one.
public struct ReplicationRefusal: Sendable {
    /// A privilege is missing, and not a setting or a way to the server.
    public let isPrivilege: Bool
    /// What is the case.
    public let detail: String
    /// What to do about it.
    public let remedy: String
    /// The statement that gives a privilege; nil where none does.
    public let grant: String?

    /// Both as one sentence.
    public var sentence: String { "\(detail); \(remedy)" }

    /// Tries whether the session's role may replicate: services have ways of their own to allow it, which no catalog shows.
    ///
    /// - Returns: nil when it may.
    /// - Throws: ``PostgresError`` when the server cannot be reached.
    public static func look(_ source: ConnectionString, catalog: Connection) throws -> ReplicationRefusal? {
        do throws(PostgresError) {
            _ = try Connection(source, kind: .replication, applicationName: "walrelay receive")
            return nil
        } catch {
            guard let refusal = ReplicationRefusal(error, catalog: catalog) else { throw error }
            return refusal
        }
    }

    /// - Returns: nil for an error that says nothing of the role or the server's set-up.
    init?(_ error: PostgresError, catalog: Connection) {
        let message = error.message
        let role = Quoting.identifier(catalog.user)
        if message.contains("pg_hba.conf") {
            isPrivilege = true
            detail = message
            remedy =
                "pg_hba.conf of the source must allow role \"\(catalog.user)\" to connect to database "
                + "\"\(catalog.database)\" for logical replication"
            grant = nil
        } else if ["start walsender", "start WAL sender"].contains(where: { message.contains($0) }) {
            let statement = ((try? Provider.of(catalog)) ?? nil).replicationGrant(role)
            isPrivilege = true
            detail = "role \"\(catalog.user)\" may not replicate"
            remedy = "run on the source: \(statement)"
            grant = statement
        } else if message.contains("startup parameter") || message.contains("replication connection") {
            isPrivilege = false
            detail = "what the source's address leads to takes no session for replication (\(message))"
            remedy = "a pooler stands before the server: name the host and port of the server itself"
            grant = nil
        } else {
            return nil
        }
    }
}
