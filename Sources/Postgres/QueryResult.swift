import CLibpq

/// One result of a statement, owning libpq's memory.
public final class QueryResult {
    let handle: OpaquePointer

    init(_ handle: OpaquePointer) {
        self.handle = handle
    }

    deinit {
        PQclear(handle)
    }

    /// The number of rows returned.
    public var rowCount: Int {
        Int(PQntuples(handle))
    }

    /// The number of columns in each row.
    public var columnCount: Int {
        Int(PQnfields(handle))
    }

    /// The value as text; nil for NULL, or outside the result.
    public func text(_ row: Int, _ column: Int) -> String? {
        guard row >= 0, row < rowCount, column >= 0, column < columnCount,
            PQgetisnull(handle, Int32(row), Int32(column)) == 0,
            let value = PQgetvalue(handle, Int32(row), Int32(column))
        else { return nil }
        return String(cString: value)
    }

    /// The row as an array of values; nil for NULL.
    public func row(_ row: Int) -> [String?] {
        (0..<columnCount).map { text(row, $0) }
    }

    /// The values of one column, without its NULLs.
    public func column(_ number: Int = 0) -> [String] {
        (0..<rowCount).compactMap { text($0, number) }
    }

    /// The number of rows that the statement reports: affected by INSERT, UPDATE, DELETE, MERGE or COPY, or returned
    /// by SELECT. Nil for statements that report none.
    public var affectedRows: Int? {
        guard let text = PQcmdTuples(handle), text.pointee != 0 else { return nil }
        return Int(String(cString: text))
    }

    /// The command tag, such as `UPDATE 1`.
    public var commandTag: String {
        String(cString: PQcmdStatus(handle))
    }

    /// The kind of answer.
    public var status: ExecStatusType {
        PQresultStatus(handle)
    }

    func error(doing: String?) -> PostgresError {
        let message = field(PG_DIAG_MESSAGE_PRIMARY) ?? String(cString: PQresultErrorMessage(handle))
        // After FATAL the server closes the session, whatever the statement was; libpq may not have seen that yet.
        let severity = field(PG_DIAG_SEVERITY_NONLOCALIZED)
        let isLost = severity == "FATAL" || severity == "PANIC"
        var error = PostgresError(isLost ? .connectionLost : .server, message.replacingNewlines, doing: doing)
        error.sqlState = field(PG_DIAG_SQLSTATE).map(SQLState.init(rawValue:))
        error.detail = field(PG_DIAG_MESSAGE_DETAIL)
        error.hint = field(PG_DIAG_MESSAGE_HINT)
        error.context = field(PG_DIAG_CONTEXT)
        let object = PostgresError.ObjectName(
            schema: field(PG_DIAG_SCHEMA_NAME), table: field(PG_DIAG_TABLE_NAME),
            column: field(PG_DIAG_COLUMN_NAME), constraint: field(PG_DIAG_CONSTRAINT_NAME))
        if object.table != nil || object.constraint != nil { error.object = object }
        return error
    }

    private func field(_ code: Character) -> String? {
        guard let ascii = code.asciiValue, let text = PQresultErrorField(handle, Int32(ascii)) else { return nil }
        return String(cString: text)
    }
}

// libpq's PG_DIAG_* macros are character constants, which do not reach Swift.
private let PG_DIAG_SEVERITY_NONLOCALIZED: Character = "V"
private let PG_DIAG_SQLSTATE: Character = "C"
private let PG_DIAG_MESSAGE_PRIMARY: Character = "M"
private let PG_DIAG_MESSAGE_DETAIL: Character = "D"
private let PG_DIAG_MESSAGE_HINT: Character = "H"
private let PG_DIAG_CONTEXT: Character = "W"
private let PG_DIAG_SCHEMA_NAME: Character = "s"
private let PG_DIAG_TABLE_NAME: Character = "t"
private let PG_DIAG_COLUMN_NAME: Character = "c"
private let PG_DIAG_CONSTRAINT_NAME: Character = "n"
