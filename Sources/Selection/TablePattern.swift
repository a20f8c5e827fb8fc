/// A pattern for tables or indexes: `schema.table`, each part a ``NamePattern``. Without a dot it is for the tables of
/// that name in every schema.
public struct TablePattern: Sendable {
    /// The schemas; nil for all.
    public let schema: NamePattern?
    /// The tables in them.
    public let table: NamePattern
    /// The pattern as it was written.
    public internal(set) var text = ""

    /// The tables that match in the schemas that match.
    public init(schema: NamePattern?, table: NamePattern) {
        self.schema = schema
        self.table = table
    }

    /// Reads a pattern.
    ///
    /// - Throws: ``SelectionError``.
    public init(_ text: String) throws(SelectionError) {
        var parser = PatternParser(text)
        self = try parser.table()
    }

    /// A pattern that matches this table and no other.
    public init(exactly schema: String, _ table: String) {
        self.schema = NamePattern(exactly: schema)
        self.table = NamePattern(exactly: table)
        text = "\(schema).\(table)"
    }

    /// True when the pattern is for this table.
    public func matches(schema: String, table: String) -> Bool {
        (self.schema?.matches(schema) ?? true) && self.table.matches(table)
    }
}
