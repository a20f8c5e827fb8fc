/// What IDENTIFY_SYSTEM says of a server.
public struct SystemIdentity: Sendable, Equatable {
    /// The cluster's identifier, made by initdb.
    public let systemIdentifier: String
    /// The present timeline.
    public let timeline: UInt32
    /// The end of the WAL that is flushed to disk.
    public let position: LSN
    /// The database of the session.
    public let database: String
}

/// What CREATE_REPLICATION_SLOT made.
public struct CreatedSlot: Sendable, Equatable, Codable {
    /// The slot's name.
    public let slot: String
    /// Every commit after this position will be sent.
    public let consistentPoint: LSN
    /// The snapshot that sees exactly the commits before it; lives while the creating session stays idle.
    public let snapshot: String?
}

/// How to make a slot.
public struct SlotOptions: Sendable, Equatable {
    /// Dropped at the end of the session.
    public var isTemporary = false
    /// Exports a snapshot for the initial copy.
    public var exportsSnapshot = false
    /// Synchronised to standbys (17 and later).
    public var failover = false

    /// A plain, lasting slot.
    public init() {}
}

extension Connection {
    /// Asks a walsender session for the server's identity.
    public func identifySystem() throws(PostgresError) -> SystemIdentity {
        let doing = "identifying the source"
        let result = try execute("IDENTIFY_SYSTEM", doing: doing)
        guard let identifier = result.text(0, 0),
            let timeline = result.text(0, 1).flatMap({ UInt32($0) }),
            let position = result.text(0, 2).flatMap({ LSN($0) })
        else { throw PostgresError(.unexpectedAnswer, "the answer cannot be read", doing: doing) }
        return SystemIdentity(
            systemIdentifier: identifier, timeline: timeline, position: position, database: result.text(0, 3) ?? "")
    }

    /// Asks a walsender session where the timelines before `timeline` ended. Nil when the server does not have the
    /// timeline's history any more.
    public func history(of timeline: UInt32) throws(PostgresError) -> [TimelineEnd]? {
        guard timeline > 1 else { return [] }
        do {
            let result = try execute("TIMELINE_HISTORY \(timeline)", doing: "asking for the timeline history")
            return try [TimelineEnd](historyFile: result.text(0, 1) ?? "")
        } catch  where error.sqlState == .undefinedFile {
            return nil
        }
    }

    /// Creates a logical slot with pgoutput, in a walsender session.
    public func createLogicalSlot(_ slot: String, options: SlotOptions) throws(PostgresError) -> CreatedSlot {
        let doing = "creating slot \"\(slot)\""
        var command = "CREATE_REPLICATION_SLOT \(Quoting.identifier(slot))"
        if options.isTemporary { command += " TEMPORARY" }
        command += " LOGICAL pgoutput"
        if serverVersion >= 150_000 {
            var list = ["SNAPSHOT '\(options.exportsSnapshot ? "export" : "nothing")'"]
            if options.failover { list.append("FAILOVER true") }
            command += " (" + list.joined(separator: ", ") + ")"
        } else {
            command += options.exportsSnapshot ? " EXPORT_SNAPSHOT" : " NOEXPORT_SNAPSHOT"
        }
        let result = try execute(command, doing: doing)
        guard let point = result.text(0, 1).flatMap({ LSN($0) }) else {
            throw PostgresError(.unexpectedAnswer, "the answer cannot be read", doing: doing)
        }
        return CreatedSlot(slot: slot, consistentPoint: point, snapshot: result.text(0, 2))
    }

    /// Drops a slot, in a walsender session.
    public func dropSlot(_ slot: String) throws(PostgresError) {
        try execute("DROP_REPLICATION_SLOT \(Quoting.identifier(slot))", doing: "dropping slot \"\(slot)\"")
    }
}
