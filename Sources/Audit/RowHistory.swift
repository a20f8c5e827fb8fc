import PgOutput
import Postgres

/// Follows one row through the log by its key, also when the key changes.
public struct RowHistory {
    /// A part of the key as it was asked for.
    public struct KeyPart: Sendable, Equatable {
        /// The column; nil for the only one of the table's key.
        public var column: String?
        /// The value's text.
        public var text: [UInt8]

        /// A column's value.
        public init(column: String? = nil, text: [UInt8]) {
            self.column = column
            self.text = text
        }
    }

    /// What a change is to the row.
    public enum Role: String, Sendable, Equatable {
        /// The row came into being.
        case inserted
        /// It changed and kept its key.
        case updated
        /// It has another key from here on.
        case moved
        /// It had another key up to here.
        case arrived
        /// It is gone.
        case deleted
        /// Its table was emptied.
        case truncated
        /// Another row took the key that was asked for, while the row has another. It is not followed.
        case otherRow = "other row"
    }

    private var asked: [KeyPart]
    private var columns: [String] = []
    private var key: [[UInt8]]
    private var hasMoved = false
    /// What the columns were found for.
    private var resolved: (relation: UInt32, version: Int)?
    private var table: (schema: String, name: String)?

    /// A history of the row with this key.
    public init(_ key: [KeyPart]) {
        asked = key
        self.key = key.map(\.text)
    }

    /// What a change of the row's table is to the row; nil when it is about another one.
    ///
    /// - Throws: ``AuditError`` when the key does not fit the table, or the changes are of several tables.
    public mutating func role(of message: Message, _ layouts: Layouts) throws(AuditError) -> Role? {
        switch message {
        case .truncate(let truncate):
            guard truncate.relations.contains(where: { isTable(layouts.relation($0)) }) else { return nil }
            reset()
            return .truncated
        case .insert(let id, _), .update(let id, _, _), .delete(let id, _):
            guard let relation = layouts.relation(id), let rows = RowImages(message, layouts) else { return nil }
            if resolved?.relation != id || resolved?.version != layouts.version {
                try resolve(relation, layouts.keyColumns(id))
                resolved = (id, layouts.version)
            }
            if case .insert = message { return try role(rows, isInsert: true) }
            return try role(rows, isInsert: false)
        default:
            return nil
        }
    }

    private mutating func role(_ rows: RowImages, isInsert: Bool) throws(AuditError) -> Role? {
        let before = try rows.before.map { row throws(AuditError) in try matches(row, key) }
        let after = try rows.after.map { row throws(AuditError) in try matches(row, key) }
        switch (before, after) {
        case (nil, true?): return isInsert ? .inserted : .updated
        case (true?, nil):
            reset()
            return .deleted
        case (true?, true?): return .updated
        case (true?, false?):
            if let row = rows.after { move(row) }
            return .moved
        case (false?, true?): return .arrived
        default:
            guard hasMoved, let row = rows.after else { return nil }
            return try matches(row, asked.map(\.text)) ? .otherRow : nil
        }
    }

    private mutating func reset() {
        key = asked.map(\.text)
        hasMoved = false
    }

    private mutating func move(_ row: RowImage) {
        for (index, column) in columns.enumerated() {
            if case .text(let bytes) = row.value(column) { key[index] = Array(bytes) }
        }
        hasMoved = key != asked.map(\.text)
    }

    private func matches(_ row: RowImage, _ key: [[UInt8]]) throws(AuditError) -> Bool {
        for (column, text) in zip(columns, key) {
            guard let value = row.value(column) else { return false }
            if case .binary = value {
                throw AuditError(.binary, "the log has \(column) in binary form; a key is found only as text")
            }
            guard value.isText(text) else { return false }
        }
        return true
    }

    private func isTable(_ relation: Relation?) -> Bool {
        guard let relation, let table else { return false }
        return relation.namespace == table.schema && relation.name == table.name
    }

    /// Finds the key's columns when the table is met, and again when its layout changed.
    private mutating func resolve(_ relation: Relation, _ keyColumns: [String]) throws(AuditError) {
        let name = Quoting.qualified(relation.namespace, relation.name)
        if table == nil { table = (relation.namespace, relation.name) }
        guard isTable(relation) else {
            throw AuditError(.severalTables, "the pattern is for \(name) and for another table; name one")
        }
        if asked.count == 1, keyColumns.count == 1, let column = asked[0].column, column != keyColumns[0] {
            // An equals sign in the value itself.
            asked[0] = KeyPart(text: Array(column.utf8) + [UInt8(ascii: "=")] + asked[0].text)
            key = [asked[0].text]
        }
        let columns = asked.compactMap(\.column)
        if columns.isEmpty, asked.count == 1, keyColumns.count == 1 {
            self.columns = keyColumns
            return
        }
        let named = keyColumns.isEmpty ? relation.columns.filter(\.isKey).map(\.name) : keyColumns
        let isWhole = keyColumns.isEmpty || Set(columns) == Set(keyColumns)
        guard columns.count == asked.count, isWhole, columns.allSatisfy(named.contains) else {
            throw AuditError(
                .key,
                "the key of \(name) is (\(named.joined(separator: ", "))); give each of its columns as --key COLUMN=VALUE"
            )
        }
        self.columns = columns
    }
}
