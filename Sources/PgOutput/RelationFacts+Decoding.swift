// What is read from a file may be anybody's: names become parts of statements, quoted, and types as they are.
extension RelationFacts {
    enum CodingKeys: String, CodingKey {
        case relation, schema, table, kind, hasChildren, primaryKey, uniqueIndexes, columns
    }

    /// Reads the facts, if no statement can become another by them.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            relation: try container.decode(UInt32.self, forKey: .relation),
            schema: try container.decode(String.self, forKey: .schema),
            table: try container.decode(String.self, forKey: .table),
            kind: try container.decode(String.self, forKey: .kind),
            hasChildren: try container.decode(Bool.self, forKey: .hasChildren),
            primaryKey: try container.decode([String].self, forKey: .primaryKey),
            uniqueIndexes: try container.decode([UniqueIndex].self, forKey: .uniqueIndexes),
            columns: try container.decode([Column].self, forKey: .columns))
        let names =
            [schema, table] + primaryKey + uniqueIndexes.flatMap { [$0.name] + $0.columns }
            + columns.flatMap { [$0.name, $0.equalitySchema ?? ""] }
        guard names.allSatisfy({ !$0.utf8.contains(0) }) else {
            throw DecodingError.dataCorrupted(.init(codingPath: [], debugDescription: "a name has a zero byte"))
        }
        guard columns.allSatisfy({ Self.isType($0.type) }) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: [CodingKeys.columns], debugDescription: "what stands for a type is none"))
        }
    }

    /// Whether a text is a type as `format_type` writes it: words, names in double quotes, modifiers in parentheses, and
    /// brackets.
    static func isType(_ text: String) -> Bool {
        var isQuoted = false
        for byte in text.utf8 {
            if byte == 0 { return false }
            if byte == UInt8(ascii: "\"") {
                isQuoted.toggle()
            } else if !isQuoted {
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: " "), UInt8(ascii: "."),
                    UInt8(ascii: ","), UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "["), UInt8(ascii: "]"),
                    0x80...:
                    continue
                // The scale of a numeric, and nothing that begins a comment.
                case UInt8(ascii: "-") where !text.contains("--"): continue
                default: return false
                }
            }
        }
        return !isQuoted && !text.isEmpty
    }
}
