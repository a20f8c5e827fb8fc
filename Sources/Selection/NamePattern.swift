/// A pattern for one name, by the rules that `psql` and `pg_dump` have.
///
/// - Upper-case letters stand for lower-case ones unless they are in double quotes: `Orders` means `orders`.
/// - `*` stands for any characters, also none; `?` for one.
/// - In double quotes every character stands for itself; `""` there is one double quote. Quotes may be around a part of
///   the name only.
/// - `~/…/` is a POSIX extended regular expression, which may match anywhere in the name.
/// - Characters that mean something in psql's patterns and not here (`[ ] ( ) { } | + ^ \`) are refused outside
///   quotes, rather than taken to mean something else.
public struct NamePattern: Sendable {
    enum Element: Sendable, Equatable {
        case scalar(Unicode.Scalar)
        case anyOne
        case anyRun
    }

    enum Kind: Sendable {
        case glob([Element])
        case regularExpression(RegularExpression)
    }

    private let kind: Kind
    /// The pattern as it was written; empty for a part of another.
    public internal(set) var text = ""

    init(_ kind: Kind) {
        self.kind = kind
    }

    /// Reads a pattern that stands alone, for a schema or an extension.
    ///
    /// - Throws: ``SelectionError``.
    public init(_ text: String) throws(SelectionError) {
        var parser = PatternParser(text)
        self = try parser.name()
    }

    /// A pattern that matches this name and no other.
    public init(exactly name: String) {
        kind = .glob(name.unicodeScalars.map { .scalar($0) })
        text = name
    }

    /// True when the pattern is for this name.
    public func matches(_ name: String) -> Bool {
        switch kind {
        case .glob(let elements): NamePattern.matches(elements, Array(name.unicodeScalars))
        case .regularExpression(let expression): expression.matches(name)
        }
    }

    /// After a mismatch only the last `*` needs to take one character more: time grows with the product of the lengths
    /// at worst, whatever the pattern.
    private static func matches(_ elements: [Element], _ name: [Unicode.Scalar]) -> Bool {
        var element = 0
        var position = 0
        var retry: (element: Int, position: Int)?
        while position < name.count {
            if element < elements.count, elements[element] == .anyRun {
                retry = (element, position)
                element += 1
            } else if element < elements.count,
                elements[element] == .anyOne || elements[element] == .scalar(name[position])
            {
                element += 1
                position += 1
            } else if let last = retry {
                retry = (last.element, last.position + 1)
                element = last.element + 1
                position = last.position + 1
            } else {
                return false
            }
        }
        return elements[element...].allSatisfy { $0 == .anyRun }
    }
}
