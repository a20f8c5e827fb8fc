import CLibpq
import Glibc
import Threading

/// One session with a server, through libpq. Lives on one thread, from opening to closing.
public final class Connection {
    let handle: OpaquePointer
    /// Whom the session talks to, without passwords.
    public let target: String
    private var session: Int?
    private let warnings = ServerWarnings()
    /// What it waits for at present, for the watch.
    private(set) var activity: SessionActivity?

    /// The kind of session to open.
    public enum Kind: Sendable {
        /// An ordinary session.
        case regular
        /// A walsender session on a database, for logical replication commands (and plain SQL).
        case replication
    }

    /// Opens a session. libpq's own rules fill in what the string leaves out (PG* variables, service and pass files).
    ///
    /// - Parameter applicationName: shown in `pg_stat_activity` unless the user set one.
    /// The session has the settings of ``SessionSettings``, whatever the server, the database and the role have.
    ///
    /// - Throws: ``PostgresError`` with `cannotConnect`, saying which server.
    public convenience init(
        _ string: ConnectionString, kind: Kind = .regular, applicationName: String
    ) throws(PostgresError) {
        try self.init(string, kind: kind, applicationName: applicationName, isWatched: true)
    }

    /// - Parameter isWatched: false for a session that looks at another's.
    init(
        _ string: ConnectionString, kind: Kind = .regular, applicationName: String, isWatched: Bool
    ) throws(PostgresError) {
        target = string.redacted
        var keywords = ["fallback_application_name"]
        var values = [applicationName]
        if getenv("PGCONNECT_TIMEOUT") == nil {
            // libpq would wait for ever for a host that drops packets.
            keywords.append("connect_timeout")
            values.append("10")
        }
        for (name, value) in Connection.silenceLimits {
            keywords.append(name)
            values.append(value)
        }
        keywords.append("dbname")
        values.append(string.secret)
        if string.passwordCommand != nil, let password = try string.password() {
            keywords.append("password")
            values.append(password)
        }
        if kind == .replication {
            keywords.append("replication")
            values.append("database")
        }
        let opened = try SessionOpening.run(string.redacted) { [keywords, values] in
            Connection.withStringArray(keywords) { keywordPointers in
                Connection.withStringArray(values) { valuePointers in
                    PQconnectdbParams(keywordPointers, valuePointers, 1)
                }
            }
        }
        guard let opened else { throw PostgresError(.cannotConnect, "out of memory") }
        handle = opened
        guard PQstatus(opened) == CONNECTION_OK else {
            let message = String(cString: PQerrorMessage(opened)).replacingNewlines
            string.passwordCommand?.forget()
            // What comes with a severity was said by the server. Of some failures the library itself asks that.
            let answered = ["FATAL:", "authentication", "password", "Is the server running"]
            let advice = answered.contains { message.contains($0) } ? "" : "; is the server running and reachable?"
            throw PostgresError(.cannotConnect, "cannot connect to \(string.redacted): \(message)\(advice)")
        }
        let activity = SessionActivity(string, opened)
        self.activity = activity
        session = OpenSessions.all.add(opened, isWatched ? activity : nil)
        // Notices are the server's remarks on statements of ours; they must not reach stderr by themselves.
        warnings.listen(to: opened)
        try setUp()
    }

    /// A peer that has gone without a word is asked after 60 s of silence, and given up 30 s later; so is one that does not
    /// confirm what was sent to it for 90 s. What the connection string says comes first.
    private static let silenceLimits = [
        ("keepalives_idle", "60"), ("keepalives_interval", "10"), ("keepalives_count", "3"),
        ("tcp_user_timeout", "90000"),
    ]

    deinit {
        if let session { OpenSessions.all.remove(session: session) }
        PQfinish(handle)
    }

    /// The server's version, as `server_version_num`: 150004 for 15.4.
    public var serverVersion: Int {
        Int(PQserverVersion(handle))
    }

    /// The server process that serves this session.
    public var backendPID: Int32 {
        PQbackendPID(handle)
    }

    /// The name of the database.
    public var database: String {
        PQdb(handle).map { String(cString: $0) } ?? ""
    }

    /// The role of the session as it logged in.
    public var user: String {
        PQuser(handle).map { String(cString: $0) } ?? ""
    }

    /// A setting that the server reports by itself, such as `server_encoding`.
    public func parameterStatus(_ name: String) -> String? {
        PQparameterStatus(handle, name).map { String(cString: $0) }
    }

    /// The server is inside a transaction block, by what it said last.
    public var isInTransaction: Bool {
        PQtransactionStatus(handle) != PQTRANS_IDLE
    }

    /// The socket, for `poll`; -1 once the connection is gone.
    public var socket: Int32 {
        PQsocket(handle)
    }

    /// Warnings that the server has sent since the last time; one that it repeats comes once.
    public func takeWarnings() -> [String] { warnings.take() }

    /// Runs SQL (one statement or several) and returns the last result.
    ///
    /// - Parameter doing: what the statement is for; begins the error's text.
    /// - Throws: ``PostgresError`` with `server` or `connectionLost`.
    @discardableResult
    public func execute(_ sql: String, doing: String) throws(PostgresError) -> QueryResult {
        activity?.begin()
        defer { activity?.end() }
        return try checked(PQexec(handle, sql), doing: doing)
    }

    /// Runs one statement with text parameters (`$1` …), whose types the server infers.
    @discardableResult
    public func query(_ sql: String, _ parameters: [String?], doing: String) throws(PostgresError) -> QueryResult {
        activity?.begin()
        defer { activity?.end() }
        let result = Connection.withOptionalStringArray(parameters) { pointers in
            PQexecParams(handle, sql, Int32(parameters.count), nil, pointers, nil, nil, 0)
        }
        return try checked(result, doing: doing)
    }

    /// Sets a session parameter and checks that it took.
    public func set(_ name: String, to value: String) throws(PostgresError) {
        let doing = "setting \(name) to \(value)"
        try execute("SET \(name) = \(Quoting.literal(value))", doing: doing)
        let shown = try execute("SHOW \(name)", doing: doing).text(0, 0) ?? ""
        // The server may answer in its own spelling ("ISO, MDY" for "ISO", "0" for "0ms").
        guard shown == value || shown.hasPrefix(value + ",") || (value.isEmpty && shown == "\"\"") else {
            throw PostgresError(.unexpectedAnswer, "the server still says \"\(shown)\"", doing: doing)
        }
    }

    func checked(_ result: OpaquePointer?, doing: String) throws(PostgresError) -> QueryResult {
        guard let result else { throw failure(doing: doing) }
        let wrapped = QueryResult(result)
        switch wrapped.status {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY, PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH,
            PGRES_SINGLE_TUPLE:
            return wrapped
        default:
            var error = wrapped.error(doing: doing)
            // A server's error has a SQLSTATE. One without is libpq's own: the connection is gone, even where libpq
            // still calls it good because only writing has failed so far.
            if PQstatus(handle) == CONNECTION_BAD || error.sqlState == nil { error.code = .connectionLost }
            throw error
        }
    }

    /// The connection's own error, when there is no result to carry one.
    func failure(doing: String) -> PostgresError {
        let message = String(cString: PQerrorMessage(handle)).replacingNewlines
        let isLost = PQstatus(handle) == CONNECTION_BAD
        return PostgresError(
            isLost ? .connectionLost : .unexpectedAnswer,
            message.isEmpty ? "the connection to the server was lost" : message, doing: doing)
    }

    private static func withStringArray<Result>(
        _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> Result
    ) -> Result {
        withOptionalStringArray(strings, body)
    }

    /// C strings that live during `body`, in an array that ends with a null pointer.
    private static func withOptionalStringArray<Result>(
        _ strings: [String?], _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> Result
    ) -> Result {
        let copies = strings.map { $0.flatMap { strdup($0) } }
        defer { copies.forEach { free($0) } }
        var pointers = copies.map { $0.map { UnsafePointer<CChar>($0) } }
        pointers.append(nil)
        return pointers.withUnsafeBufferPointer { body($0.baseAddress) }
    }
}
