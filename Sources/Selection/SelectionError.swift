/// A pattern, a list of operations or a filter file that cannot be understood.
public struct SelectionError: Error, Sendable, Equatable {
    /// What is wrong.
    public enum Code: Sendable, Equatable {
        /// A name or pattern does not follow the rules of ``NamePattern``.
        case invalidPattern
        /// The text between `~/` and `/` is no POSIX extended regular expression.
        case invalidRegularExpression
        /// Something other than insert, update, delete or truncate.
        case unknownOperation
        /// The filter file is not UTF-8 text.
        case notText
        /// A section that no filter file has.
        case unknownSection
        /// A line that is neither a section, nor an entry of one, nor a comment.
        case malformedLine
        /// A column that is to be left out says which row is meant.
        case keyColumn
        /// Two sections that contradict each other.
        case conflictingSections
    }

    /// What is wrong.
    public let code: Code
    /// What happened and what to do next, in words.
    public let message: String
    /// The filter file, if one is concerned.
    public let file: String?
    /// The line in it, counted from 1.
    public let line: Int?

    /// A failure at a place.
    public init(_ code: Code, _ message: String, file: String? = nil, line: Int? = nil) {
        self.code = code
        self.message = message
        self.file = file
        self.line = line
    }

    /// The same failure at a line of a filter file.
    func at(line: Int, of file: String) -> SelectionError {
        SelectionError(code, message, file: file, line: line)
    }
}

extension SelectionError: CustomStringConvertible {
    /// The failure with its place, as compilers write it: `file:line: message`.
    public var description: String {
        guard let file else { return message }
        return line.map { "\(file):\($0): \(message)" } ?? "\(file): \(message)"
    }
}
