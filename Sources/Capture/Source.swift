import Logging
import Postgres

/// The source server: its two sessions and what was found out about it.
///
/// The walsender session streams; the regular one looks into the catalog. Both live on the capture's thread.
public final class Source {
    /// The walsender session.
    public let replication: Connection
    /// The ordinary session.
    public let catalog: Connection
    /// Who the server is.
    public let identity: SystemIdentity
    /// The server's timeline.
    public let timeline: Timeline
    /// The encoding in which the server sends text: `UTF8`, or `SQL_ASCII` for a database without encoding.
    public let encoding: String

    /// Opens both sessions, sets and verifies what the text forms of values depend on.
    ///
    /// - Throws: ``PostgresError`` or ``CaptureError`` (`unsuitableServer`, `privilege`).
    public init(_ string: ConnectionString) throws {
        catalog = try Connection(string, applicationName: "walrelay receive")
        try Source.checkServer(catalog)
        do {
            replication = try Connection(string, kind: .replication, applicationName: "walrelay receive")
        } catch {
            throw Source.explained(error, catalog: catalog)
        }
        let serverEncoding = try catalog.execute("SHOW server_encoding", doing: "asking for the encoding").text(0, 0)
        // Bytes of a database without encoding travel as they are; a conversion would refuse or change them.
        encoding = serverEncoding == "SQL_ASCII" ? "SQL_ASCII" : "UTF8"
        for connection in [replication, catalog] {
            for (name, value) in Source.settings(encoding: encoding) { try connection.set(name, to: value) }
        }
        try Source.lengthenTimeout(of: replication, asking: catalog)
        identity = try replication.identifySystem()
        timeline = Timeline(identity.timeline, history: try replication.history(of: identity.timeline))
        try checkSessionsMeet()
    }

    /// With several hosts, or an address that moves, the two sessions may be with two servers while a failover is under
    /// way.
    private func checkSessionsMeet() throws {
        let starts = try [replication, catalog].map {
            try $0.execute("SELECT pg_catalog.pg_postmaster_start_time()", doing: "asking when the server started")
                .text(0, 0)
        }
        guard starts[0] == starts[1] else {
            throw PostgresError(
                .connectionLost,
                "two sessions with the source are with two servers: is a failover under way? Run the same command again "
                    + "when it is over", doing: "connecting to the source")
        }
    }

    private static func settings(encoding: String) -> [(String, String)] {
        [
            ("client_encoding", encoding), ("datestyle", "ISO"), ("intervalstyle", "postgres"),
            ("extra_float_digits", "3"), ("bytea_output", "hex"), ("timezone", "UTC"), ("search_path", ""),
            ("statement_timeout", "0"), ("lock_timeout", "0"), ("idle_in_transaction_session_timeout", "0"),
            // A fence of clone's makes it so for the application; our own publications are to be dropped all the same.
            ("default_transaction_read_only", "off"),
            // Publications that are dropped stay dropped, when the source crashes too.
            ("synchronous_commit", "local"),
        ]
    }

    /// A database or a role may have a `wal_sender_timeout` under which no stream lives. That of the whole server is its
    /// administrator's, and is left.
    private static func lengthenTimeout(of replication: Connection, asking catalog: Connection) throws {
        let short = try catalog.execute(
            """
            SELECT FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout' AND source LIKE ANY ('{database%,user}')
               AND setting <> '0' AND setting::pg_catalog.int4 < 5000
            """, doing: "asking for wal_sender_timeout")
        if short.rowCount > 0 { try replication.set("wal_sender_timeout", to: "1min") }
    }

    private static func checkServer(_ connection: Connection) throws {
        guard connection.serverVersion >= 100_000 else {
            throw CaptureError(
                .unsuitableServer,
                "the source has version \(connection.serverVersion); logical decoding with pgoutput needs 10 or newer")
        }
        let level = try connection.execute("SHOW wal_level", doing: "asking for wal_level").text(0, 0) ?? ""
        guard level == "logical" else {
            throw CaptureError(
                .unsuitableServer,
                "the source has wal_level = \(level); \(try Provider.of(connection).decodingAdvice)")
        }
    }

    /// A walsender session fails where an ordinary one succeeded: say why.
    private static func explained(_ error: PostgresError, catalog: Connection) -> any Error {
        ReplicationRefusal(error, catalog: catalog).map {
            CaptureError($0.isPrivilege ? .privilege : .unsuitableServer, $0.sentence)
        }
            ?? error
    }

    /// True when the server is a standby.
    public func isInRecovery() throws -> Bool {
        try catalog.execute("SELECT pg_catalog.pg_is_in_recovery()", doing: "asking for recovery").text(0, 0) == "t"
    }

    /// The end of the WAL at present: everything that committed before now ends at or before it.
    public func currentPosition() throws -> LSN {
        try catalog.currentPosition()
    }

    /// Commits a logical message, so that an otherwise idle source's WAL moves past an end position.
    public func nudge() throws {
        guard try !isInRecovery() else { return }
        try catalog.execute(
            "SELECT pg_catalog.pg_logical_emit_message(true, 'walrelay', 'nudge')", doing: "nudging the source")
    }
}
