/// A new name for a table, or for all tables of a schema: `shop.orders=sales.orders`, `shop=sales`.
///
/// Names are written as in SQL: letters outside double quotes are folded to lower case. Patterns are not meant here.
public struct TableMapping: Sendable, Equatable {
    private let schema: String
    private let table: String?
    private let newSchema: String
    private let newTable: String?

    /// Reads `old=new`; either both sides name a table with its schema, or both a schema.
    ///
    /// - Throws: ``SelectionError`` with `invalidPattern`.
    public init(_ text: String) throws(SelectionError) {
        var names: [[String]] = [[]]
        var name = ""
        var isQuoted = false
        var wasClosed = false
        func invalid() -> SelectionError {
            SelectionError(
                .invalidPattern,
                "\"\(text)\" is no renaming: write schema.table=schema.table, or schema=schema, with names as in SQL")
        }
        for character in text + "=" {
            switch character {
            case "\"":
                // A quote right behind a closing one: the pair stands for one in the name.
                if wasClosed { name.append("\"") }
                wasClosed = isQuoted
                isQuoted.toggle()
                continue
            case "." where !isQuoted, "=" where !isQuoted:
                guard !name.isEmpty else { throw invalid() }
                names[names.count - 1].append(name)
                if character == "=" { names.append([]) }
                name = ""
            default:
                name.append(isQuoted ? String(character) : character.lowercased())
            }
            wasClosed = false
        }
        guard !isQuoted, names.count == 3, names[0].count == names[1].count, (1...2).contains(names[0].count) else {
            throw invalid()
        }
        schema = names[0][0]
        newSchema = names[1][0]
        table = names[0].count == 2 ? names[0][1] : nil
        newTable = names[1].count == 2 ? names[1][1] : nil
    }

    /// Reads several.
    ///
    /// - Throws: ``SelectionError`` with `invalidPattern`, also when one table or schema gets two new names.
    public static func all(_ texts: [String]) throws(SelectionError) -> [TableMapping] {
        var mappings: [TableMapping] = []
        for text in texts {
            let mapping = try TableMapping(text)
            if mappings.contains(where: { $0 != mapping && $0.schema == mapping.schema && $0.table == mapping.table }) {
                throw SelectionError(
                    .invalidPattern, "\"\(text)\" renames what another --map renames as well; leave one of them")
            }
            mappings.append(mapping)
        }
        return mappings
    }

    /// The name that a table has after the first of several mappings that is for it.
    public static func name(
        _ mappings: [TableMapping], schema: String, table: String
    ) -> (schema: String, table: String) {
        for mapping in mappings {
            if let name = mapping.apply(schema: schema, table: table) { return name }
        }
        return (schema, table)
    }

    /// The table's new name; nil when the mapping is not for it.
    public func apply(schema: String, table: String) -> (schema: String, table: String)? {
        guard schema == self.schema else { return nil }
        guard let own = self.table else { return (newSchema, table) }
        return own == table ? (newSchema, newTable ?? table) : nil
    }
}
