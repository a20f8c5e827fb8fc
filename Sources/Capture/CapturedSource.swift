import PgOutput
import Postgres

/// What a capture needs of the server that it streams from: ``Source``, or a model of one in tests.
package struct CapturedSource {
    /// `system_identifier` of the server.
    package var systemIdentifier: String
    /// The server's timeline.
    package var timeline: Timeline
    /// The database.
    package var database: String
    /// `server_version_num`.
    package var serverVersion: Int
    /// The encoding of what it sends.
    package var encoding: String
    /// Where its slot is.
    package var confirmed: LSN
    /// Asks for the end of its WAL.
    package var currentPosition: () throws -> LSN
    /// Asks whether it is a standby.
    package var isInRecovery: () throws -> Bool
    /// Has its WAL move on.
    package var nudge: () throws -> Void
    /// Asks its catalog about a table; nil when it was dropped meanwhile.
    package var facts: (UInt32) throws -> RelationFacts?

    /// What is known of a server, and how to ask for the rest.
    package init(
        systemIdentifier: String, timeline: Timeline, database: String, serverVersion: Int, encoding: String,
        confirmed: LSN, currentPosition: @escaping () throws -> LSN, isInRecovery: @escaping () throws -> Bool,
        nudge: @escaping () throws -> Void, facts: @escaping (UInt32) throws -> RelationFacts?
    ) {
        self.systemIdentifier = systemIdentifier
        self.timeline = timeline
        self.database = database
        self.serverVersion = serverVersion
        self.encoding = encoding
        self.confirmed = confirmed
        self.currentPosition = currentPosition
        self.isInRecovery = isInRecovery
        self.nudge = nudge
        self.facts = facts
    }

    init(_ source: Source, confirmed: LSN) throws {
        let reader = try CatalogReader(connection: source.catalog)
        self.init(
            systemIdentifier: source.identity.systemIdentifier, timeline: source.timeline,
            database: source.catalog.database, serverVersion: source.catalog.serverVersion, encoding: source.encoding,
            confirmed: confirmed, currentPosition: source.currentPosition, isInRecovery: source.isInRecovery,
            nudge: source.nudge, facts: reader.facts(relation:))
    }
}

/// The stream of changes that a capture reads: a ``ReplicationStream``, or a model of one in tests.
package protocol ChangeStream: AnyObject {
    /// The socket, for `poll`.
    var socket: Int32 { get }
    /// The next message that has arrived, without waiting.
    func next() throws(PostgresError) -> ReplicationStream.Event
    /// Takes in what the socket holds.
    func readSocket() throws(PostgresError)
    /// Says how far the capture is.
    func sendStatus(written: LSN, flushed: LSN, replyRequested: Bool) throws(PostgresError)
    /// Says that the stream is over.
    func finish()
}

extension ReplicationStream: ChangeStream {}
