import Postgres

/// The first line of a stream of batches: its format and its source.
public struct BatchPreamble: Codable, Sendable, Equatable {
    /// The format that this version writes and reads.
    public static let currentFormat = 1

    /// The number of the text format.
    public var format: Int
    /// The replication origin that the stream's progress is recorded under.
    public var origin: String
    /// The text's encoding, for `client_encoding`.
    public var encoding: String
    /// `system_identifier` of the source cluster.
    public var systemIdentifier: String
    /// The source's timeline.
    public var timeline: UInt32
    /// The source database.
    public var database: String
    /// The logical slot.
    public var slot: String
    /// The source's version as `server_version_num`.
    public var serverVersion: Int
    /// The position after which the first batch begins.
    public var from: LSN
    /// Whether changes stand in the source's order; nil in text of versions that did not say.
    public var order: Order?
    /// Tables or operations were left out, or tables renamed; absent where not.
    public var selection: Bool?
    /// Says which filter file was used, where that alone says what was left out; absent where not.
    public var filter: String?
    /// The lanes that statements are divided into; absent where they are not.
    public var lanes: Int?
    /// The program that wrote the text.
    public var tool: String

    /// How changes became statements.
    public enum Order: String, Codable, Sendable {
        /// Each row's net change.
        case net
        /// Every change, in the source's order.
        case source
    }

    enum CodingKeys: String, CodingKey {
        case format, origin, encoding, timeline, database, slot, from, order, selection, filter, lanes, tool
        case systemIdentifier = "system_identifier"
        case serverVersion = "server_version"
    }

    /// The preamble of a stream of `identity` from `from` on.
    public init(
        identity: StreamIdentity, from: LSN, origin: String, order: Order, isSelection: Bool, filter: String? = nil,
        lanes: Int = 1, tool: String
    ) {
        format = BatchPreamble.currentFormat
        self.origin = origin
        encoding = identity.encoding
        systemIdentifier = identity.systemIdentifier
        timeline = identity.timeline
        database = identity.database
        slot = identity.slot
        serverVersion = identity.serverVersion
        self.from = from
        self.order = order
        selection = isSelection ? true : nil
        self.filter = isSelection ? filter : nil
        self.lanes = lanes > 1 ? lanes : nil
        self.tool = tool
    }

    /// The session settings that the text depends on, in the order to set them, with values as SHOW answers them
    /// (an empty `search_path` is shown as `""`).
    public static func settings(encoding: String) -> [(name: String, value: String)] {
        [
            ("client_encoding", encoding),
            ("session_replication_role", "replica"),
            ("synchronous_commit", "off"),
            ("default_transaction_isolation", "read committed"),
            ("default_transaction_read_only", "off"),
            ("DateStyle", "ISO, YMD"),
            ("IntervalStyle", "postgres"),
            ("TimeZone", "UTC"),
            ("extra_float_digits", "3"),
            ("bytea_output", "hex"),
            ("xmloption", "content"),
            ("standard_conforming_strings", "on"),
            ("escape_string_warning", "off"),
            ("search_path", ""),
            ("row_security", "off"),
            ("check_function_bodies", "off"),
            ("statement_timeout", "0"),
            ("lock_timeout", "0"),
            ("idle_in_transaction_session_timeout", "0"),
            // Rows are found by their keys, which come sorted: the index is right even where the server's usual costs
            // would rather read the whole table. Where there is no index, the plan stays what it would be.
            ("random_page_cost", "0.1"),
        ]
    }

    /// Runs `body` with the whole preamble, first line to last.
    public func withText<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        let text = TextBuffer(capacity: 4 << 10)
        write(to: text)
        return try withExtendedLifetime(text) { try body(text.bytes) }
    }

    private func write(to text: TextBuffer) {
        text.append("-- walrelay preamble {")
        text.appendJSON(key: "format", format)
        text.append(",")
        text.appendJSON(key: "origin", origin)
        text.append(",")
        text.appendJSON(key: "encoding", encoding)
        text.append(",")
        text.appendJSON(key: "system_identifier", systemIdentifier)
        text.append(",")
        text.appendJSON(key: "timeline", Int(timeline))
        text.append(",")
        text.appendJSON(key: "database", database)
        text.append(",")
        text.appendJSON(key: "slot", slot)
        text.append(",")
        text.appendJSON(key: "server_version", serverVersion)
        text.append(",")
        text.appendJSON(key: "from", from)
        text.append(",")
        if let order {
            text.appendJSON(key: "order", order.rawValue)
            text.append(",")
        }
        if selection == true { text.append("\"selection\":true,") }
        if let filter {
            text.appendJSON(key: "filter", filter)
            text.append(",")
        }
        if let lanes {
            text.append("\"lanes\":")
            text.append(decimal: lanes)
            text.append(",")
        }
        text.appendJSON(key: "tool", tool)
        text.append("}\n")
        // psql without ON_ERROR_STOP would go on after a refused COPY and read its data lines as SQL. So the server
        // ends the session at the first error, which ends psql too.
        text.append("SET exit_on_error = on;\n")
        for (name, value) in BatchPreamble.settings(encoding: encoding) {
            text.append(string: "SET \(name) = \(Quoting.literal(value));\n")
        }
        // Timeouts that only newer servers have.
        text.append(
            string: "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings"
                + " WHERE name IN ('idle_session_timeout', 'transaction_timeout');\n")
        let name = Quoting.literal(origin)
        text.append(
            string: "SELECT pg_catalog.pg_replication_origin_create(\(name)) WHERE NOT EXISTS"
                + " (SELECT FROM pg_catalog.pg_replication_origin WHERE roname = \(name));\n")
        text.append(string: "SELECT pg_catalog.pg_replication_origin_session_setup(\(name));\n")
        text.append(string: BatchPreamble.laneGuard(origin: origin) + "\n")
        text.append("-- walrelay preamble end\n")
    }
}

// Lanes.
extension BatchPreamble {
    /// The most lanes that there can be.
    public static let lanesMax = 64

    /// The replication origin that records how far one lane but the first is; the first has the stream's own.
    public static func laneOrigin(_ origin: String, lane: Int, of count: Int) -> String {
        "\(origin)_lane_\(lane)_of_\(count)"
    }

    /// A query for the lanes of `origin` and their positions. It calls `pg_replication_origin_progress`, and so needs no
    /// privilege that replaying does not need.
    public static func lanePositions(origin: String) -> String {
        let prefix = "\(origin)_lane_"
        let rest = "pg_catalog.substr(roname, \(prefix.unicodeScalars.count + 1))"
        return "SELECT roname, pg_catalog.pg_replication_origin_progress(roname, false) AS at"
            + " FROM pg_catalog.pg_replication_origin"
            + " WHERE pg_catalog.starts_with(roname, \(Quoting.literal(prefix))) AND \(rest) ~ '^[0-9]+_of_[0-9]+$'"
    }

    /// A statement that fails where a lane is ahead of the origin: applying from the origin's position would apply what
    /// the lane has once more.
    static func laneGuard(origin: String) -> String {
        "SELECT CAST(pg_catalog.concat('walrelay: a part of what follows ', o.at, ' is on the target already: let replay "
            + "--spool finish it') AS pg_catalog.int4) FROM (\(lanePositions(origin: origin))) AS l,"
            + " pg_catalog.pg_replication_origin_session_progress(false) AS o(at) WHERE l.at > o.at;"
    }
}
