import Postgres

/// The row of `walrelay.progress`.
struct TargetProgress {
    var stream: String
    var position: LSN
    var system: String
    var database: String
    var slot: String
    var logID: String?
    /// The transaction that moved it last.
    var movedBy: Int
}

/// Why a server says no.
enum Refusal: Error {
    /// Two rows would have the same value in a unique column.
    case unique(table: String)
    /// The position is not where the batch continues.
    case position(String)
    /// A statement changed another number of rows than on the source.
    case rows(Int, expected: Int, statement: String)
}

/// The rows of a target, and the statements that change them: those that `Batches` writes, and no others.
struct TargetState {
    var tables: [[Row]] = ModelTable.all.map { _ in [] }
    var progress: TargetProgress?

    private static let indexes = Dictionary(
        uniqueKeysWithValues: ModelTable.all.enumerated().map { ($1.quoted, $0) })

    /// Which rows a statement is about.
    private enum Condition {
        case equal(Int, String?)
        /// As `concat` makes text of the value.
        case text(Int, String)
        case isNull(Int)
        case isKnown(Int)

        func holds(_ row: Row) -> Bool {
            switch self {
            case .equal(let column, let value): value != nil && row[column] == value
            case .text(let column, let value): (row[column] ?? "") == value
            case .isNull(let column): row[column] == nil
            case .isKnown(let column): row[column] != nil
            }
        }
    }

    func digests() -> [UInt64] {
        tables.map { $0.reduce(into: UInt64(0)) { $0 &+= hash($1) } }
    }

    /// Runs a statement without its semicolon; returns the number of rows that it reports, if it reports one.
    mutating func run(_ statement: [UInt8]) throws -> Int? {
        var scanner = SQLScanner(statement)
        var rows: Int?
        if scanner.take("INSERT INTO ") {
            rows = try insert(&scanner)
        } else if scanner.take("UPDATE ") {
            rows = try update(&scanner)
        } else if scanner.take("DELETE FROM ") {
            rows = try delete(&scanner)
        } else {
            try scanner.expect("TRUNCATE ")
            try truncate(&scanner)
        }
        try scanner.expectEnd()
        return rows
    }

    /// Runs a `COPY … FROM stdin` with its lines.
    mutating func copy(_ statement: [UInt8], _ lines: [UInt8]) throws -> Int {
        var scanner = SQLScanner(statement)
        try scanner.expect("COPY ")
        let (table, columns) = try tableAndColumns(&scanner)
        try scanner.expect(" FROM stdin")
        try scanner.expectEnd()
        var count = 0
        for line in lines.split(separator: 0x0A, omittingEmptySubsequences: false).dropLast() {
            try add(try SQLScanner.fields(line), table, columns, scanner)
            count += 1
        }
        return count
    }

    private func table(_ scanner: inout SQLScanner) throws -> Int {
        let name = try scanner.qualifiedName()
        guard let index = TargetState.indexes[name] else { throw scanner.unknown("no table \(name)") }
        return index
    }

    private func column(_ table: Int, _ scanner: inout SQLScanner) throws -> Int {
        let name = try scanner.name()
        guard let index = ModelTable.all[table].columns.firstIndex(where: { $0.name == name }) else {
            throw scanner.unknown("no column \(name)")
        }
        return index
    }

    private func tableAndColumns(_ scanner: inout SQLScanner) throws -> (Int, [Int]) {
        let table = try table(&scanner)
        try scanner.expect(" (")
        var columns: [Int] = []
        repeat { columns.append(try column(table, &scanner)) } while scanner.take(",")
        try scanner.expect(")")
        return (table, columns)
    }

    private mutating func add(_ values: Row, _ table: Int, _ columns: [Int], _ scanner: SQLScanner) throws {
        guard values.count == columns.count else { throw scanner.unknown("another number of values than columns") }
        var row: Row = ModelTable.all[table].columns.map { _ in nil }
        for (column, value) in zip(columns, values) { row[column] = value }
        try check(row, table, besides: nil)
        tables[table].append(row)
    }

    private func check(_ row: Row, _ table: Int, besides own: Int?) throws {
        for columns in ModelTable.all[table].constraints where columns.allSatisfy({ row[$0] != nil }) {
            let clash = tables[table].indices.contains { index in
                index != own && columns.allSatisfy { tables[table][index][$0] == row[$0] }
            }
            if clash { throw Refusal.unique(table: ModelTable.all[table].name) }
        }
    }

    private mutating func insert(_ scanner: inout SQLScanner) throws -> Int {
        let (table, columns) = try tableAndColumns(&scanner)
        try scanner.expect(" OVERRIDING SYSTEM VALUE VALUES ")
        var count = 0
        repeat {
            try scanner.expect("(")
            var values: Row = []
            repeat { values.append(try scanner.literal()) } while scanner.take(",")
            try scanner.expect(")")
            try add(values, table, columns, scanner)
            count += 1
        } while scanner.take(",")
        return count
    }

    private mutating func update(_ scanner: inout SQLScanner) throws -> Int {
        let table = try table(&scanner)
        if scanner.take(" AS t SET ") { return try updateJoined(table, &scanner) }
        try scanner.expect(" SET ")
        var sets: [(Int, String?)] = []
        repeat {
            let column = try column(table, &scanner)
            try scanner.expect(" = ")
            sets.append((column, try scanner.literal()))
        } while scanner.take(", ")
        try scanner.expect(" WHERE ")
        let found = try matches(table, &scanner)
        for index in found { try set(index, table, sets) }
        return found.count
    }

    private mutating func set(_ index: Int, _ table: Int, _ sets: [(Int, String?)]) throws {
        var row = tables[table][index]
        for (column, value) in sets { row[column] = value }
        try check(row, table, besides: index)
        tables[table][index] = row
    }

    private mutating func delete(_ scanner: inout SQLScanner) throws -> Int {
        let table = try table(&scanner)
        let found: [Int]
        if scanner.take(" AS t USING ") {
            let arrays = try arrays(&scanner)
            found = try joined(table, arrays, &scanner).map(\.row)
        } else {
            try scanner.expect(" WHERE ")
            found = try matches(table, &scanner)
        }
        for index in found.sorted(by: >) { tables[table].remove(at: index) }
        return found.count
    }

    private mutating func truncate(_ scanner: inout SQLScanner) throws {
        repeat { tables[try table(&scanner)] = [] } while scanner.take(", ")
        _ = scanner.take(" RESTART IDENTITY")
        _ = scanner.take(" CASCADE")
    }
}

// Which rows.
extension TargetState {
    private func matches(_ table: Int, _ scanner: inout SQLScanner) throws -> [Int] {
        let isOne = scanner.take("ctid = (SELECT ctid FROM ")
        if isOne {
            guard try self.table(&scanner) == table else { throw scanner.unknown("another table") }
            try scanner.expect(" WHERE ")
        }
        var conditions: [Condition] = []
        repeat { conditions.append(try condition(table, &scanner)) } while scanner.take(" AND ")
        let found = tables[table].indices.filter { index in
            conditions.allSatisfy { $0.holds(tables[table][index]) }
        }
        guard isOne else { return found }
        try scanner.expect(" LIMIT 1)")
        return Array(found.prefix(1))
    }

    private func condition(_ table: Int, _ scanner: inout SQLScanner) throws -> Condition {
        if scanner.take("pg_catalog.concat(") {
            let column = try column(table, &scanner)
            try scanner.expect(") COLLATE \"C\" = ")
            guard let value = try scanner.literal() else { throw scanner.unknown("a comparison with NULL") }
            return .text(column, value)
        }
        let column = try column(table, &scanner)
        if scanner.take(" IS NULL") || scanner.take(" IS NOT DISTINCT FROM NULL") { return .isNull(column) }
        if scanner.take(" IS DISTINCT FROM NULL") { return .isKnown(column) }
        try scanner.expect(" = ")
        return .equal(column, try scanner.literal())
    }

    /// `(SELECT pg_catalog.unnest(E'{…}'::pg_catalog.int4[]) AS c1,…) AS n`, column by column.
    private func arrays(_ scanner: inout SQLScanner) throws -> [[String?]] {
        try scanner.expect("(SELECT ")
        var arrays: [[String?]] = []
        repeat {
            try scanner.expect("pg_catalog.unnest(")
            arrays.append(try SQLScanner.elements(try scanner.bytes()))
            guard scanner.take("::pg_catalog.int4[]) AS c") || scanner.take("::pg_catalog.text[]) AS c") else {
                throw scanner.unknown("another type")
            }
            guard try scanner.number() == arrays.count else { throw scanner.unknown("another number") }
        } while scanner.take(",")
        try scanner.expect(") AS n WHERE ")
        guard arrays.allSatisfy({ $0.count == arrays[0].count }) else { throw scanner.unknown("arrays of two lengths") }
        return arrays
    }

    /// The rows of the table that go with an element of the arrays.
    private func joined(
        _ table: Int, _ arrays: [[String?]], _ scanner: inout SQLScanner
    ) throws -> [(row: Int, element: Int)] {
        var keys: [(column: Int, array: Int)] = []
        repeat {
            try scanner.expect("t.")
            let column = try column(table, &scanner)
            try scanner.expect(" = n.c")
            keys.append((column, try scanner.number() - 1))
        } while scanner.take(" AND ")
        return arrays[0].indices.flatMap { element in
            tables[table].indices.filter { row in
                keys.allSatisfy { key in
                    arrays[key.array][element].map { $0 == tables[table][row][key.column] } ?? false
                }
            }.map { ($0, element) }
        }
    }

    private mutating func updateJoined(_ table: Int, _ scanner: inout SQLScanner) throws -> Int {
        var sets: [(column: Int, array: Int)] = []
        repeat {
            let column = try column(table, &scanner)
            try scanner.expect(" = n.c")
            sets.append((column, try scanner.number() - 1))
        } while scanner.take(", ")
        try scanner.expect(" FROM ")
        let arrays = try arrays(&scanner)
        let found = try joined(table, arrays, &scanner)
        for (row, element) in found { try set(row, table, sets.map { ($0.column, arrays[$0.array][element]) }) }
        return found.count
    }
}
