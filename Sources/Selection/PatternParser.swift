/// Reads patterns from text.
struct PatternParser {
    private let text: String
    private let scalars: [Unicode.Scalar]
    private var position = 0
    /// Refuse unquoted upper-case letters instead of folding them.
    private let refusesUpperCase: Bool

    private static let reserved = Set("[](){}|+^\\".unicodeScalars)

    init(_ text: String, refusesUpperCase: Bool = false) {
        self.text = text
        self.refusesUpperCase = refusesUpperCase
        scalars = Array(text.unicodeScalars)
    }

    /// A pattern for one name, and nothing after it.
    mutating func name() throws(SelectionError) -> NamePattern {
        var name = try component()
        name.text = text
        guard position == scalars.count else {
            throw invalid("names one thing and so has no dot; put a dot that belongs to the name in double quotes")
        }
        return name
    }

    /// `table` or `schema.table`, and nothing after it.
    mutating func table(needsSchema: Bool = false) throws(SelectionError) -> TablePattern {
        let first = try component()
        guard position < scalars.count else {
            if needsSchema { throw invalid("has no schema; write schema.name") }
            return named(TablePattern(schema: nil, table: first))
        }
        position += 1
        let second = try component()
        guard position == scalars.count else {
            throw invalid("has more than one dot; put a dot that belongs to a name in double quotes")
        }
        return named(TablePattern(schema: first, table: second))
    }

    private func named(_ pattern: TablePattern) -> TablePattern {
        var pattern = pattern
        pattern.text = text
        return pattern
    }

    /// `table.column` or `schema.table.column`, and nothing after it.
    mutating func column() throws(SelectionError) -> ColumnPattern {
        var parts = [try component()]
        while position < scalars.count {
            position += 1
            parts.append(try component())
        }
        guard (2...3).contains(parts.count) else {
            throw invalid("names no column: write table.column, or schema.table.column")
        }
        var pattern = ColumnPattern(
            table: TablePattern(schema: parts.count == 3 ? parts[0] : nil, table: parts[parts.count - 2]),
            column: parts[parts.count - 1])
        pattern.text = text
        return pattern
    }

    /// Reads up to a dot outside quotes, or the end.
    private mutating func component() throws(SelectionError) -> NamePattern {
        if scalars[position...].starts(with: "~/".unicodeScalars) { return try regularExpression() }
        let start = position
        var elements: [NamePattern.Element] = []
        var isQuoted = false
        while position < scalars.count, isQuoted || scalars[position] != "." {
            let scalar = scalars[position]
            position += 1
            if scalar == "\"" {
                if isQuoted, position < scalars.count, scalars[position] == "\"" {
                    elements.append(.scalar("\""))
                    position += 1
                } else {
                    isQuoted.toggle()
                }
            } else {
                elements.append(isQuoted ? .scalar(scalar) : try unquoted(scalar))
            }
        }
        guard !isQuoted else { throw invalid("has a double quote that is not closed") }
        guard !elements.isEmpty else {
            throw invalid(start == position ? "lacks a name" : "has a name of no characters")
        }
        return NamePattern(.glob(elements))
    }

    private func unquoted(_ scalar: Unicode.Scalar) throws(SelectionError) -> NamePattern.Element {
        switch scalar {
        case "*": return .anyRun
        case "?": return .anyOne
        case "A"..."Z":
            if refusesUpperCase {
                throw invalid(
                    "has upper-case letters without double quotes: write \"Name\" in quotes for exactly this name, or "
                        + "lower-case letters")
            }
            return .scalar(Unicode.Scalar(UInt8(scalar.value) + 32))
        case _ where PatternParser.reserved.contains(scalar):
            throw invalid(
                "has '\(scalar)' outside double quotes; put the name in double quotes, or write a regular expression "
                    + "as ~/…/")
        case _ where scalar.properties.isWhitespace || scalar.value < 0x20:
            throw invalid("has a space outside double quotes")
        default: return .scalar(scalar)
        }
    }

    /// `~/…/`: the expression ends at the first slash before a dot or the end.
    private mutating func regularExpression() throws(SelectionError) -> NamePattern {
        let start = position + 2
        var end = start
        while end < scalars.count {
            if scalars[end] == "/", end + 1 == scalars.count || scalars[end + 1] == "." { break }
            end += 1
        }
        guard end < scalars.count else { throw invalid("has a regular expression that no slash ends") }
        guard end > start else { throw invalid("has an empty regular expression") }
        position = end + 1
        var expression = String.UnicodeScalarView()
        expression.append(contentsOf: scalars[start..<end])
        return NamePattern(.regularExpression(try RegularExpression(String(expression))))
    }

    private func invalid(_ what: String) -> SelectionError {
        SelectionError(.invalidPattern, "the pattern \(text.isEmpty ? "(empty)" : text) \(what)")
    }
}
