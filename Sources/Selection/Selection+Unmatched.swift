/// What a server has that a filter can name.
public struct SelectableNames: Sendable {
    /// The schemas.
    public var schemas: [String] = []
    /// Tables, views, and what else a pattern for tables is for.
    public var tables: [(schema: String, name: String)] = []
    /// The indexes.
    public var indexes: [(schema: String, name: String)] = []
    /// The extensions.
    public var extensions: [String] = []

    /// Nothing yet.
    public init() {}
}

extension Selection {
    /// The patterns that are for nothing that there is, each with the section of a filter file that it belongs to:
    /// someone meant something else.
    public func unmatched(in names: SelectableNames) -> [String] {
        var found: [String] = []
        func look(_ section: String, _ patterns: [NamePattern], _ names: [String]) {
            for pattern in patterns where !names.contains(where: { pattern.matches($0) }) {
                found.append("[\(section)] \(pattern.text)")
            }
        }
        func look(_ section: String, _ patterns: [TablePattern], _ names: [(schema: String, name: String)]) {
            for pattern in patterns
            where !names.contains(where: { pattern.matches(schema: $0.schema, table: $0.name) }) {
                found.append("[\(section)] \(pattern.text)")
            }
        }
        look("include-only-schema", includeSchemas, names.schemas)
        look("exclude-schema", excludeSchemas, names.schemas)
        look("include-only-table", includeTables, names.tables)
        look("exclude-table", excludeTables, names.tables)
        look("exclude-table-data", excludeTableData, names.tables)
        look("exclude-index", excludeIndexes, names.indexes)
        look("include-only-extension", includeExtensions, names.extensions)
        look("exclude-extension", excludeExtensions, names.extensions)
        return found
    }
}
