/// What went wrong in talking to a server.
///
/// `description` carries no row values: the server's DETAIL, which may quote them, is only in ``debugDescription``.
public struct PostgresError: Error, Sendable, Equatable {
    /// The kind of failure.
    public enum Code: Sendable, Equatable {
        /// The connection string cannot be parsed.
        case invalidConnectionString
        /// No session could be opened: server down, authentication, no such database.
        case cannotConnect
        /// An open session ended: server restarted, session terminated, network cut.
        case connectionLost
        /// The server answered with an error.
        case server
        /// The server answered something that this call does not expect.
        case unexpectedAnswer
        /// What the server has under our name belongs to a role that could have it act with the session's rights.
        case untrusted
    }

    /// The kind of failure.
    public var code: Code
    /// What happened, in words: the server's or libpq's own message.
    public var message: String
    /// The server's SQLSTATE, if it sent one.
    public var sqlState: SQLState?
    /// The server's DETAIL; may contain row values.
    public var detail: String?
    /// The server's CONTEXT, such as the line of a COPY; may contain row values.
    public var context: String?
    /// The server's HINT.
    public var hint: String?
    /// What was being done: the statement's purpose, not its text.
    public var doing: String?
    /// The table, constraint and column that the server named.
    public var object: ObjectName?

    /// The schema object that an error is about.
    public struct ObjectName: Sendable, Equatable {
        /// The schema.
        public var schema: String?
        /// The table.
        public var table: String?
        /// The column.
        public var column: String?
        /// The constraint.
        public var constraint: String?
    }

    /// An error of the given kind.
    public init(_ code: Code, _ message: String, doing: String? = nil, sqlState: SQLState? = nil) {
        self.code = code
        self.message = message
        self.doing = doing
        self.sqlState = sqlState
    }
}

extension PostgresError: CustomStringConvertible, CustomDebugStringConvertible {
    /// One line: what was done, what happened, and the server's hint.
    public var description: String {
        var line = doing.map { "\($0): " } ?? ""
        line += message
        if let sqlState { line += " (SQLSTATE \(sqlState.rawValue))" }
        if let hint { line += "; hint: \(hint)" }
        return line.replacingNewlines
    }

    /// The line of ``description`` and the server's DETAIL.
    public var debugDescription: String {
        guard let detail else { return description }
        return (description + "; detail: " + detail).replacingNewlines
    }
}

extension String {
    /// The text on one line: runs of newlines and the blanks around them become one space.
    var replacingNewlines: String {
        split(whereSeparator: \.isNewline)
            .map { line in
                let from = line.firstIndex(where: { $0 != " " && $0 != "\t" }) ?? line.endIndex
                return String(line[from...])
            }
            .filter { !$0.isEmpty }
            .joined(separator: " ")
    }
}

extension PostgresError {
    /// The statement failed because of what it says or what it finds in the database: not for want of the session, of room
    /// or of time.
    package var isOfStatement: Bool {
        code == .server && (sqlState == .undefinedFile || !["53", "57", "58"].contains(sqlState?.errorClass ?? ""))
    }
}
