/// Which schemas, tables, operations, indexes and extensions are meant: the one filter that every program uses.
///
/// ```swift
/// var selection = try FilterFile.parse(bytes, file: "filters.ini")
/// selection.includeTables.append(try TablePattern("public.order*"))
/// selection.operations = try Operations("insert,delete")
/// if selection.includesData(schema: relation.namespace, table: relation.name) { … }
/// ```
///
/// A list of inclusions that is empty includes everything. What is included must be so by every list, and what any
/// list excludes is excluded, whatever includes it. A new selection selects everything.
///
/// Matching compares text and does no input or output. It is meant to be done once a relation, not once a change.
public struct Selection: Sendable {
    /// Only tables in these schemas.
    public var includeSchemas: [NamePattern] = []
    /// No table in these schemas.
    public var excludeSchemas: [NamePattern] = []
    /// Only these tables.
    public var includeTables: [TablePattern] = []
    /// None of these tables.
    public var excludeTables: [TablePattern] = []
    /// These tables, but without their rows.
    public var excludeTableData: [TablePattern] = []
    /// None of these columns.
    public var excludeColumns: [ColumnPattern] = []
    /// None of these indexes.
    public var excludeIndexes: [TablePattern] = []
    /// Only these extensions.
    public var includeExtensions: [NamePattern] = []
    /// None of these extensions.
    public var excludeExtensions: [NamePattern] = []
    /// Changes of these tables only from a position of the source's log on: what committed before is there already.
    public var starts: [(table: TablePattern, position: UInt64)] = []
    /// Only these kinds of change.
    public var operations: Operations = .all
    /// Which of ``excludeColumns`` were for a column so far; shared by all copies of this selection.
    let foundColumns = FoundColumns()

    /// A selection of everything.
    public init() {}

    /// True when no table and no row can be left out. Operations do not count.
    public var includesAllTables: Bool {
        includeSchemas.isEmpty && excludeSchemas.isEmpty && includeTables.isEmpty && excludeTables.isEmpty
            && excludeTableData.isEmpty
    }

    /// True when no definition can be left out either, of whatever kind.
    public var includesAllObjects: Bool {
        includesAllTables && excludeIndexes.isEmpty && includeExtensions.isEmpty && excludeExtensions.isEmpty
    }

    /// True when the schema is selected. It may still hold no table that is.
    public func includes(schema: String) -> Bool {
        (includeSchemas.isEmpty || includeSchemas.contains { $0.matches(schema) })
            && !excludeSchemas.contains { $0.matches(schema) }
    }

    /// True when the table is selected: its definition, and unless ``includesData(schema:table:)`` says otherwise its
    /// rows.
    public func includes(schema: String, table: String) -> Bool {
        includes(schema: schema)
            && (includeTables.isEmpty || includeTables.contains { $0.matches(schema: schema, table: table) })
            && !excludeTables.contains { $0.matches(schema: schema, table: table) }
    }

    /// True when something that has a table's kind of name and no rows of its own is selected: a view, a sequence.
    /// Inclusions of tables do not ask for it, and so do not leave it out.
    public func includesObject(schema: String, name: String) -> Bool {
        includes(schema: schema) && !excludeTables.contains { $0.matches(schema: schema, table: name) }
    }

    /// True when the table's rows are selected, and so the changes of them.
    public func includesData(schema: String, table: String) -> Bool {
        includes(schema: schema, table: table)
            && !excludeTableData.contains { $0.matches(schema: schema, table: table) }
    }

    /// Which of a table's columns are left out, by their places.
    ///
    /// - Parameter keys: the columns that say which row a change is about; the rest of a row would be nobody's.
    /// - Throws: ``SelectionError`` with `keyColumn` when one of them is to be left out.
    public func excludedColumns(
        schema: String, table: String, columns: [String], keys: [String]
    ) throws(SelectionError) -> Set<Int> {
        var excluded: Set<Int> = []
        for (place, pattern) in excludeColumns.enumerated()
        where pattern.table.matches(schema: schema, table: table) {
            let found = columns.indices.filter { pattern.column.matches(columns[$0]) }
            if !found.isEmpty { foundColumns.note(place) }
            excluded.formUnion(found)
        }
        for index in excluded.sorted() where keys.contains(columns[index]) {
            throw SelectionError(
                .keyColumn,
                "column \"\(columns[index])\" of table \(schema).\(table) cannot be left out: it is part of the key that "
                    + "says which row a change is about")
        }
        return excluded
    }

    /// The patterns of ``excludeColumns`` that ``excludedColumns(schema:table:columns:keys:)`` has met no column for: what
    /// they were meant to leave out is not left out.
    public var unmetColumns: [String] {
        let found = foundColumns.places
        return excludeColumns.indices.filter { !found.contains($0) }.map { excludeColumns[$0].text }
    }

    /// The position from which on the table's changes are meant; nil for all.
    public func start(schema: String, table: String) -> UInt64? {
        starts.lazy.filter { $0.table.matches(schema: schema, table: table) }.map(\.position).max()
    }

    /// True when the index is selected. That its table is must be asked separately.
    public func includesIndex(schema: String, index: String) -> Bool {
        !excludeIndexes.contains { $0.matches(schema: schema, table: index) }
    }

    /// True when the extension is selected.
    public func includes(extension name: String) -> Bool {
        (includeExtensions.isEmpty || includeExtensions.contains { $0.matches(name) })
            && !excludeExtensions.contains { $0.matches(name) }
    }

    /// False when no table that is written `schema.table` without quotes, as segment footers write it, can have its
    /// rows selected. Either name may hold dots, so each dot is tried as the one between them.
    public func mayIncludeData(joined name: String) -> Bool {
        var hasDot = false
        for dot in name.indices where name[dot] == "." {
            hasDot = true
            if includesData(schema: String(name[..<dot]), table: String(name[name.index(after: dot)...])) {
                return true
            }
        }
        return !hasDot
    }
}
