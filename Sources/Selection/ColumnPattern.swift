/// A pattern for columns: `schema.table.column`, each part a ``NamePattern``. Without the first dot it is for the tables
/// of that name in every schema.
public struct ColumnPattern: Sendable {
    /// The tables.
    public let table: TablePattern
    /// The columns in them.
    public let column: NamePattern
    /// The pattern as it was written.
    public internal(set) var text = ""

    /// Reads a pattern.
    ///
    /// - Throws: ``SelectionError``.
    public init(_ text: String) throws(SelectionError) {
        var parser = PatternParser(text)
        self = try parser.column()
    }

    init(table: TablePattern, column: NamePattern) {
        self.table = table
        self.column = column
    }
}
