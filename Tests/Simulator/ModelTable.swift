import PgOutput

/// A row: the text of its columns.
typealias Row = [String?]

/// A table that source and target have.
struct ModelTable {
    struct Column {
        var name: String
        var type: UInt32
        var typeName: String
        /// Part of what the source sends to identify rows.
        var isKey = false
    }

    let id: UInt32
    let schema: String
    let name: String
    /// `d`, `n` or `f`, as in `pg_class.relreplident`.
    let identity: Character
    let columns: [Column]
    let primaryKey: [Int]
    /// A column with a unique constraint of its own.
    let unique: Int?
    /// A column whose long values are stored out of line.
    let outOfLine: Int?

    var quoted: String { "\(Self.quote(schema)).\(Self.quote(name))" }

    static func quote(_ name: String) -> String {
        "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }

    /// What the source's catalog says.
    var facts: RelationFacts {
        RelationFacts(
            relation: id, schema: schema, table: name, primaryKey: primaryKey.map { columns[$0].name },
            uniqueIndexes: unique.map { [.init(name: "u", columns: [columns[$0].name])] } ?? [],
            columns: columns.map { .init(name: $0.name, type: $0.typeName) })
    }

    /// Columns that no two rows have the same values in.
    var constraints: [[Int]] { (primaryKey.isEmpty ? [] : [primaryKey]) + (unique.map { [[$0]] } ?? []) }

    private static func integer(_ name: String, isKey: Bool = false) -> Column {
        Column(name: name, type: 23, typeName: "integer", isKey: isKey)
    }

    private static func text(_ name: String, isKey: Bool = false) -> Column {
        Column(name: name, type: 25, typeName: "text", isKey: isKey)
    }

    /// The tables of every history: with a plain key, a second unique column, a key of two columns, the whole row as
    /// identity with and without a primary key, and a ledger that can only grow.
    static let all: [ModelTable] = [
        ModelTable(
            id: 16_401, schema: "public", name: "plain", identity: "d",
            columns: [integer("id", isKey: true), text("v"), text("long")], primaryKey: [0], unique: nil,
            outOfLine: 2),
        ModelTable(
            id: 16_402, schema: "public", name: "swapped", identity: "d",
            columns: [integer("id", isKey: true), integer("place"), text("v")], primaryKey: [0], unique: 1,
            outOfLine: nil),
        ModelTable(
            id: 16_403, schema: "o'dd \"s", name: "two\\keys", identity: "d",
            columns: [text("a", isKey: true), text("v"), integer("b c", isKey: true)], primaryKey: [0, 2],
            unique: nil, outOfLine: nil),
        ModelTable(
            id: 16_404, schema: "public", name: "whole", identity: "f", columns: [text("a"), integer("b"), text("c")],
            primaryKey: [], unique: nil, outOfLine: 2),
        ModelTable(
            id: 16_405, schema: "public", name: "full", identity: "f",
            columns: [integer("id"), text("v"), text("long")], primaryKey: [0], unique: nil, outOfLine: 2),
        ModelTable(
            id: 16_406, schema: "public", name: "ledger", identity: "n", columns: [integer("n"), text("what")],
            primaryKey: [], unique: nil, outOfLine: nil),
    ]

    static let ledger = 5
}

/// A number for a row; equal rows have equal ones.
func hash(_ row: Row) -> UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for value in row {
        if let value {
            for byte in value.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
            hash = (hash ^ 0x1FF) &* 0x0000_0100_0000_01B3
        } else {
            hash = (hash ^ 0x2FF) &* 0x0000_0100_0000_01B3
        }
    }
    return hash ^ (hash >> 29)
}
