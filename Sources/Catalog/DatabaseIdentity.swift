import Postgres

/// One database of one server.
public struct DatabaseIdentity: Codable, Sendable, Equatable {
    /// The cluster's identifier.
    public var systemIdentifier: String
    /// The database's name.
    public var name: String

    enum CodingKeys: String, CodingKey {
        case name
        case systemIdentifier = "system_identifier"
    }

    /// The database of that name in a cluster.
    public init(systemIdentifier: String, name: String) {
        self.systemIdentifier = systemIdentifier
        self.name = name
    }
}

/// The two sides of a migration.
package struct ServerPair: Sendable {
    /// The source server.
    package let source: ConnectionString
    /// The target server.
    package let target: ConnectionString

    package init(source: ConnectionString, target: ConnectionString) {
        self.source = source
        self.target = target
    }
}
