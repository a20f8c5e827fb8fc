/// A question that the log cannot answer as it was put.
public struct AuditError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What is wrong.
    public enum Code: Sendable, Equatable {
        /// The key does not fit the table's key.
        case key
        /// The pattern names more than one table.
        case severalTables
        /// The values that are to be compared are in binary form.
        case binary
    }

    /// What is wrong.
    public let code: Code
    /// What happened and what to do next, in words.
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// What happened and what to do next.
    public var description: String { message }
}
