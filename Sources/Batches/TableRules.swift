import Selection

/// What is asked for about single tables; looked up once for each layout.
public struct TableRules: Sendable {
    /// Which tables and operations are written.
    public var selection = Selection()
    /// Tables whose changes are written in the source's order also among net changes: those whose triggers fire on the
    /// target, say.
    public var ordered: [TablePattern] = []
    /// Other names on the target; the first that fits counts.
    public var mappings: [TableMapping] = []
    /// Says which filter file ``selection`` is of; nil when something else was asked for too.
    public var filter: String?

    /// Everything, under its own name.
    public init() {}

    /// Something is left out or renamed: the text says other things than the log.
    public var isSelection: Bool {
        !selection.includesAllTables || !selection.excludeColumns.isEmpty || selection.operations != .all
            || !mappings.isEmpty || !selection.starts.isEmpty
    }

    func isOrdered(schema: String, table: String) -> Bool {
        ordered.contains { $0.matches(schema: schema, table: table) }
    }

    func name(schema: String, table: String) -> (schema: String, table: String) {
        TableMapping.name(mappings, schema: schema, table: table)
    }
}
