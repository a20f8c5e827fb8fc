import PgOutput
import Postgres
import Selection

/// A table's layout with all the SQL text that does not depend on values, prepared once for each Relation message.
final class TablePlan {
    /// How rows are found for UPDATE and DELETE.
    enum Identity {
        /// The key columns that the source sends.
        case key
        /// The primary key's columns in the whole old row.
        case primaryKey
        /// The whole old row; one of several equal rows.
        case wholeRow
        /// Not at all.
        case none
    }

    let relation: Relation
    let facts: RelationFacts?
    let identity: Identity
    /// The old row arrives whole, and every column counts as a key.
    let isFull: Bool
    let isPartitioned: Bool
    let hasAlwaysIdentity: Bool
    /// Changes of one row can be netted: each row has a key, and no column needs statements of its own.
    let canNet: Bool
    /// The columns of the key by which changes are netted, in the tuples' order.
    let netKey: ContiguousArray<Int>
    let columns: ContiguousArray<ColumnPlan>
    /// The number of columns that are not generated.
    let writableCount: Int
    /// The schema-qualified, quoted name on the target.
    let name: String
    /// Stands for the table where rows are divided into lanes; see ``Lane``.
    let laneSeed: UInt64
    /// The operations that are written; none for a table that is left out.
    let operations: Operations
    /// Changes that committed before this position are left out.
    let start: LSN?

    private let text: ContiguousArray<UInt8>
    /// `INSERT INTO "s"."t" ("a","b") OVERRIDING SYSTEM VALUE `
    let insert: Range<Int>
    /// `COPY "s"."t" ("a","b") FROM stdin; -- rows:`
    let copy: Range<Int>
    /// `UPDATE "s"."t" SET `
    let update: Range<Int>
    /// `UPDATE "s"."t" AS t SET `
    let arrayUpdate: Range<Int>
    /// `DELETE FROM "s"."t" WHERE `
    let delete: Range<Int>
    /// `"s"."t"`, or `ONLY "s"."t"` where other tables inherit from it.
    let target: Range<Int>

    /// Prepares a table.
    ///
    /// - Throws: `SelectionError` when a column is to be left out that rows are found by.
    init(
        _ relation: Relation, facts: RelationFacts?, rules: TableRules = TableRules()
    ) throws(SelectionError) {
        self.relation = relation
        self.facts = facts
        isFull = relation.replicaIdentity == .full
        isPartitioned = facts?.kind == "p"
        let (schema, table) = rules.name(schema: relation.namespace, table: relation.name)
        name = SQLText.qualified(schema, table)
        laneSeed = Lane.seed(table: name)
        // A source that was a target itself has a table of positions, which are not this target's.
        let isOurs = relation.namespace == "walrelay" && relation.name == "progress"
        let isIncluded = !isOurs && rules.selection.includesData(schema: relation.namespace, table: relation.name)
        operations = isIncluded ? rules.selection.operations : []
        start = rules.selection.start(schema: relation.namespace, table: relation.name).map { LSN(rawValue: $0) }
        let isOrdered = rules.isOrdered(schema: relation.namespace, table: relation.name)
        identity = TablePlan.identity(of: relation, facts: facts)

        let excluded = try TablePlan.excludedColumns(relation, facts, identity, rules, isIncluded)
        var writer = PreparedText()
        var plans: ContiguousArray<ColumnPlan> = []
        for (index, column) in relation.columns.enumerated() {
            let fact = facts?.columns.first { $0.name == column.name }
            let isPrimaryKey = facts?.primaryKey.contains(column.name) ?? false
            var plan = writer.plan(column, fact, isFull: isFull, isPrimaryKey: isPrimaryKey)
            // The target lacks it: not to be written, nor looked at, as what the target computes itself.
            if excluded.contains(index) { plan.isGenerated = true }
            plans.append(plan)
        }
        let writable = zip(relation.columns, plans).filter { !$0.1.isGenerated }
        let names = writable.map { SQLText.identifier($0.0.name) }.joined(separator: ",")
        let only = facts?.hasChildren == true ? "ONLY " : ""
        insert = writer.add("INSERT INTO \(name) (\(names)) OVERRIDING SYSTEM VALUE ")
        copy = writer.add("COPY \(name) (\(names)) FROM stdin; -- rows:")
        update = writer.add("UPDATE \(only)\(name) SET ")
        arrayUpdate = writer.add("UPDATE \(only)\(name) AS t SET ")
        delete = writer.add("DELETE FROM \(only)\(name) WHERE ")
        target = writer.add(only + name)
        writableCount = writable.count
        hasAlwaysIdentity = plans.contains { $0.isAlwaysIdentity && !$0.isGenerated }
        let keys = TablePlan.netKey(identity, plans)
        netKey = keys
        canNet =
            !isOrdered && !keys.isEmpty
            && !plans.indices.contains { index in
                let column = plans[index]
                // SQL cannot SET an ALWAYS identity; where it is no key, every update seems to set it.
                return keys.contains(index)
                    ? column.isGenerated : column.isAlwaysIdentity && !column.isGenerated
            }
        columns = plans
        text = writer.bytes
    }

    /// Runs `body` with the bytes of a prepared range.
    @inline(__always)
    func write(_ range: Range<Int>, to buffer: TextBuffer) {
        text.withUnsafeBytes { buffer.append(UnsafeRawBufferPointer(rebasing: $0[range])) }
    }

    private static func netKey(_ identity: Identity, _ columns: ContiguousArray<ColumnPlan>) -> ContiguousArray<Int> {
        switch identity {
        case .key: ContiguousArray(columns.indices.filter { columns[$0].isKey })
        case .primaryKey: ContiguousArray(columns.indices.filter { columns[$0].isPrimaryKey })
        case .wholeRow, .none: []
        }
    }

    private static func excludedColumns(
        _ relation: Relation, _ facts: RelationFacts?, _ identity: Identity, _ rules: TableRules, _ isIncluded: Bool
    ) throws(SelectionError) -> Set<Int> {
        guard isIncluded, !rules.selection.excludeColumns.isEmpty else { return [] }
        let keys =
            switch identity {
            case .key: relation.columns.filter(\.isKey).map(\.name)
            case .primaryKey: facts?.primaryKey ?? []
            case .wholeRow, .none: [String]()
            }
        return try rules.selection.excludedColumns(
            schema: relation.namespace, table: relation.name, columns: relation.columns.map(\.name), keys: keys)
    }

    private static func identity(of relation: Relation, facts: RelationFacts?) -> Identity {
        switch relation.replicaIdentity {
        case .nothing: return .none
        case .primaryKey, .index: return hasWholeKey(relation, facts) ? .key : .none
        case .full:
            let key = facts?.primaryKey ?? []
            let generated = Set(facts?.columns.filter(\.isGenerated).map(\.name) ?? [])
            let names = Set(relation.columns.map(\.name)).subtracting(generated)
            return !key.isEmpty && names.isSuperset(of: key) ? .primaryKey : .wholeRow
        }
    }

    /// False when computed columns, which the source does not send, are part of the key: what is sent of it may then be
    /// the same for several rows.
    private static func hasWholeKey(_ relation: Relation, _ facts: RelationFacts?) -> Bool {
        let sent = Set(relation.columns.filter(\.isKey).map(\.name))
        guard !sent.isEmpty, let facts else { return !sent.isEmpty }
        let missing = Set(facts.columns.filter(\.isGenerated).map(\.name)).subtracting(relation.columns.map(\.name))
        let keys = ([facts.primaryKey] + facts.uniqueIndexes.map(\.columns)).map { Set($0) }
        return keys.contains(sent) || !keys.contains { $0.subtracting(missing) == sent }
    }
}

/// Collects a table's prepared text.
private struct PreparedText {
    var bytes: ContiguousArray<UInt8> = []

    mutating func add(_ text: String) -> Range<Int> {
        let start = bytes.count
        bytes.append(contentsOf: text.utf8)
        return start..<bytes.count
    }

    mutating func plan(
        _ column: Relation.Column, _ fact: RelationFacts.Column?, isFull: Bool, isPrimaryKey: Bool
    ) -> ColumnPlan {
        let name = SQLText.identifier(column.name)
        // Composite types have no `=` for an untyped literal. OIDs below this are built in and need no cast.
        let firstUserOID: UInt32 = 16_384
        let type = column.typeOID >= firstUserOID ? fact.flatMap { SQLText.typeName($0.type) } : nil
        // An untyped literal would be compared as text, through a cast that whoever owns the type has made.
        let comparesText =
            column.typeOID >= firstUserOID && (type == nil || fact?.hasAmbiguousEquality == true)
        let equals =
            comparesText
            ? "pg_catalog.concat(\(name)) COLLATE \"C\" = "
            : fact?.equalitySchema.map { "\(name) OPERATOR(\(SQLText.identifier($0)).=) " } ?? "\(name) = "
        let form = BuiltInType.arrayForm(column.typeOID)
        let builtIn = BuiltInType.name(column.typeOID).map { "pg_catalog." + $0 }
        let fullType = type ?? builtIn
        return ColumnPlan(
            name: add(name), assignment: add("\(name) = "), equals: add(equals),
            comparesText: comparesText, keyCast: add(comparesText ? "" : type.map { "::\($0)" } ?? ""),
            comparison: ValueComparison(typeOID: column.typeOID),
            isKey: column.isKey || isFull, isPrimaryKey: isPrimaryKey, isGenerated: fact?.isGenerated ?? false,
            isAlwaysIdentity: fact?.identity == "a", arrayForm: form,
            arrayCast: add("::\(form == .text ? "pg_catalog.text" : builtIn ?? "pg_catalog.text")[]"),
            elementCast: add(form == .text ? builtIn.map { "::\($0)" } ?? "" : ""),
            fitsArray: builtIn != nil, valueCast: add(fullType.map { "::\($0)" } ?? ""), hasTypeName: fullType != nil,
            isInteger: [20, 21, 23, 26].contains(column.typeOID))
    }
}
