import Catalog
import Postgres

/// What is missing on a server, as one script that its administrator can run.
public struct AdministratorScript {
    /// The script; comments alone where nothing is missing.
    public let text: String

    /// Takes the statements of what was found in one place.
    ///
    /// - Throws: ``PostgresError`` when the server cannot be reached.
    public init(_ findings: [Finding], _ place: Finding.Place, _ server: ConnectionString) throws {
        let connection = try Connection(server, applicationName: DatabaseSession.applicationName)
        let provider = try Provider.of(connection)
        let open = findings.filter { $0.place == place && $0.status != .pass }
        var lines = [
            "-- For the migration of role \(Quoting.identifier(connection.user)): run once on the \(place.rawValue), in "
                + "the database \(Quoting.identifier(connection.database)), as "
                + (provider.map { "\($0.administrator) of \($0.rawValue)" } ?? "a superuser") + "."
        ]
        var seen: Set<String> = []
        // Roles first: others are granted to them.
        let statements = open.flatMap { $0.sql ?? [] }
        for statement in statements.filter({ $0.hasPrefix("CREATE ROLE ") }) where seen.insert(statement).inserted {
            lines.append(statement)
        }
        for finding in open {
            let new = (finding.sql ?? []).filter { seen.insert($0).inserted }
            if !new.isEmpty {
                lines.append("-- \(finding.check): \(finding.detail)")
                lines += new
            } else if finding.sql == nil, let remedy = finding.remedy {
                lines.append("-- \(finding.check): \(finding.detail); \(remedy)")
            }
        }
        if seen.isEmpty { lines.append("-- No statement is needed.") }
        // What comes from a server must not end a comment.
        text = lines.map { line in
            line.hasPrefix("--") ? String(line.map { $0.isNewline ? " " : $0 }) : line
        }.joined(separator: "\n")
    }
}
