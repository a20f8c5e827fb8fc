import Postgres

/// The first line of a stream of batches: its format and its source.
public struct BatchPreamble: Decodable, Sendable, Equatable {
    /// The format that this version writes. It also reads the one before it.
    public static let currentFormat = 2

    /// The number of the text format.
    public var format: Int
    /// The name that the position has on the target.
    public var stream: String
    /// The text's encoding, for `client_encoding`.
    public var encoding: String
    /// `system_identifier` of the source cluster.
    public var systemIdentifier: String
    /// The source's timeline.
    public var timeline: UInt32
    /// Where the timelines before it ended.
    public var history: [TimelineEnd]
    /// The log that the stream comes from; nil where nothing names it.
    public var logID: String?
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
        case format, stream, encoding, timeline, history, database, slot, from, order, selection, filter, lanes, tool
        case logID = "log_id"
        /// What ``stream`` was called in format 1.
        case origin
        case systemIdentifier = "system_identifier"
        case serverVersion = "server_version"
    }

    /// The preamble of a stream of `identity` from `from` on.
    public init(
        identity: StreamIdentity, from: LSN, stream: String, order: Order, isSelection: Bool, filter: String? = nil,
        lanes: Int = 1, tool: String
    ) {
        format = BatchPreamble.currentFormat
        self.stream = stream
        encoding = identity.encoding
        systemIdentifier = identity.systemIdentifier
        timeline = identity.timeline
        history = identity.history
        logID = identity.logID
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
            // First, so that what follows means what it says.
            ("search_path", ""),
            ("client_encoding", encoding),
            ("session_replication_role", "replica"),
            ("synchronous_commit", "off"),
            ("default_transaction_isolation", "read committed"),
            ("default_transaction_read_only", "off"),
            ("default_transaction_deferrable", "off"),
            ("DateStyle", "ISO, YMD"),
            ("IntervalStyle", "postgres"),
            ("TimeZone", "UTC"),
            ("extra_float_digits", "3"),
            ("bytea_output", "hex"),
            ("xmloption", "content"),
            ("standard_conforming_strings", "on"),
            ("escape_string_warning", "off"),
            ("backslash_quote", "safe_encoding"),
            ("array_nulls", "on"),
            ("lc_monetary", "C"),
            ("lc_numeric", "C"),
            ("transform_null_equals", "off"),
            ("quote_all_identifiers", "off"),
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
        text.appendJSON(key: "stream", stream)
        text.append(",")
        text.appendJSON(key: "encoding", encoding)
        text.append(",")
        text.appendJSON(key: "system_identifier", systemIdentifier)
        text.append(",")
        text.appendJSON(key: "timeline", Int(timeline))
        if !history.isEmpty { writeHistory(to: text) }
        if let logID {
            text.append(",")
            text.appendJSON(key: "log_id", logID)
        }
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
        // psql without ON_ERROR_STOP would continue after a refused COPY and read its data lines as SQL. So the server
        // ends the session at the first error, which ends psql too.
        text.append("SET exit_on_error = on;\n")
        for (name, value) in BatchPreamble.settings(encoding: encoding) {
            text.append(string: "SET \(name) = \(Quoting.literal(value));\n")
        }
        // Timeouts that only newer servers have.
        text.append(
            string: "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings"
                + " WHERE name IN ('idle_session_timeout', 'transaction_timeout');\n")
        let progress = ProgressSQL(stream: stream, source: ProgressSource(self))
        for line in progress.preparation(start: from, tool: tool) { text.append(string: line) }
        text.append("-- walrelay preamble end\n")
    }

    private func writeHistory(to text: TextBuffer) {
        text.append(",\"history\":[")
        for (index, past) in history.enumerated() {
            text.append(index > 0 ? ",{" : "{")
            text.appendJSON(key: "timeline", Int(past.timeline))
            text.append(",")
            text.appendJSON(key: "end", past.end)
            text.append("}")
        }
        text.append("]")
    }
}

// Reading one.
extension BatchPreamble {
    /// The most lanes that there can be.
    public static let lanesMax = 64

    /// Decodes the JSON of a preamble line of format 1 or 2.
    public init(from decoder: any Decoder) throws {
        let keys = try decoder.container(keyedBy: CodingKeys.self)
        format = try keys.decode(Int.self, forKey: .format)
        stream = try keys.decode(String.self, forKey: format == 1 ? .origin : .stream)
        encoding = try keys.decode(String.self, forKey: .encoding)
        systemIdentifier = try keys.decode(String.self, forKey: .systemIdentifier)
        timeline = try keys.decode(UInt32.self, forKey: .timeline)
        history = try keys.decodeIfPresent([TimelineEnd].self, forKey: .history) ?? []
        logID = try keys.decodeIfPresent(String.self, forKey: .logID)
        database = try keys.decode(String.self, forKey: .database)
        slot = try keys.decode(String.self, forKey: .slot)
        serverVersion = try keys.decode(Int.self, forKey: .serverVersion)
        from = try keys.decode(LSN.self, forKey: .from)
        order = try keys.decodeIfPresent(Order.self, forKey: .order)
        selection = try keys.decodeIfPresent(Bool.self, forKey: .selection)
        filter = try keys.decodeIfPresent(String.self, forKey: .filter)
        lanes = try keys.decodeIfPresent(Int.self, forKey: .lanes)
        tool = try keys.decode(String.self, forKey: .tool)
    }
}
