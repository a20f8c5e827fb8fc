import Postgres

/// The sessions of a migration, with either side.
package enum DatabaseSession {
    /// The name that servers show for them.
    package static let applicationName = "walrelay clone"

    /// Says whether the session's role is a superuser.
    package static let isSuperuserQuery = "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"

    /// Sessions that set nothing commit without waiting for the disk: a crash takes back what they did last.
    package static func commitsAsynchronously(_ string: ConnectionString) throws -> Bool {
        let connection = try Connection(string, applicationName: applicationName)
        return try connection.execute("SHOW synchronous_commit", doing: "asking for synchronous_commit").text(0, 0)
            == "off"
    }

    /// A session that takes rows.
    package static func connect(_ string: ConnectionString, encoding: String) throws -> Connection {
        let connection = try Connection(string, applicationName: applicationName)
        for (name, value) in CopySettings.list(encoding: encoding) { try connection.set(name, to: value) }
        return connection
    }

    /// Which database of which server a session is in.
    package static func identity(_ connection: Connection) throws -> DatabaseIdentity {
        let doing = "identifying the server"
        let result = try connection.execute(
            "SELECT system_identifier, pg_catalog.current_database() FROM pg_catalog.pg_control_system()", doing: doing)
        guard let identifier = result.text(0, 0), let name = result.text(0, 1) else {
            throw PostgresError(.unexpectedAnswer, "the answer cannot be read", doing: doing)
        }
        return DatabaseIdentity(systemIdentifier: identifier, name: name)
    }

    /// In which encoding rows of a server travel: SQL_ASCII knows no characters that could be translated.
    package static func encoding(_ source: ConnectionString) throws -> String {
        let connection = try Connection(source, applicationName: applicationName)
        let name = try connection.execute("SHOW server_encoding", doing: "asking for the encoding").text(0, 0)
        return name == "SQL_ASCII" ? "SQL_ASCII" : "UTF8"
    }
}
