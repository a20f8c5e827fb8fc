import PgOutput

/// A row as a change carries it: with the layout that names its columns, and knowing which columns were sent.
public struct RowImage {
    /// The table.
    public let relation: Relation
    /// The values.
    public let tuple: Tuple
    /// Only the columns of the replica identity were sent; the others read as NULL without being so.
    public let isKeyOnly: Bool

    /// A row of the given table.
    public init(_ relation: Relation, _ tuple: Tuple, isKeyOnly: Bool = false) {
        self.relation = relation
        self.tuple = tuple
        self.isKeyOnly = isKeyOnly
    }

    init(_ relation: Relation, old: Message.OldTuple) {
        if case .key = old {
            self.init(relation, old.tuple, isKeyOnly: true)
        } else {
            self.init(relation, old.tuple)
        }
    }

    /// Hands on the columns that were sent, in order. A tuple that is longer than its layout has columns without name.
    public func forEach(_ body: (_ name: String?, ColumnValue) throws -> Void) rethrows {
        var cursor = tuple.columns
        var index = 0
        while let value = cursor.next() {
            let column = index < relation.columns.count ? relation.columns[index] : nil
            index += 1
            if isKeyOnly, column?.isKey != true { continue }
            try body(column?.name, value)
        }
    }

    /// The value of a column; nil when it was not sent.
    public func value(_ name: String) -> ColumnValue? {
        var cursor = tuple.columns
        var index = 0
        while let value = cursor.next() {
            guard index < relation.columns.count else { return nil }
            let column = relation.columns[index]
            if column.name == name { return isKeyOnly && !column.isKey ? nil : value }
            index += 1
        }
        return nil
    }
}

/// The rows before and after a change, as far as the source sent them.
public struct RowImages {
    /// Before; nil for an insert, and for an update that left the key as it was, without REPLICA IDENTITY FULL.
    public let before: RowImage?
    /// After; nil for a delete.
    public let after: RowImage?

    /// The rows of an insert, update or delete; nil for any other message, and when the layout is not known.
    public init?(_ message: Message, _ layouts: Layouts) {
        switch message {
        case .insert(let id, let new):
            guard let relation = layouts.relation(id) else { return nil }
            before = nil
            after = RowImage(relation, new)
        case .update(let id, let old, let new):
            guard let relation = layouts.relation(id) else { return nil }
            before = old.map { RowImage(relation, old: $0) }
            after = RowImage(relation, new)
        case .delete(let id, let old):
            guard let relation = layouts.relation(id) else { return nil }
            before = RowImage(relation, old: old)
            after = nil
        default:
            return nil
        }
    }
}

extension ColumnValue {
    /// True when the value is this text, byte for byte.
    func isText(_ bytes: [UInt8]) -> Bool {
        guard case .text(let own) = self, own.count == bytes.count else { return false }
        return own.elementsEqual(bytes)
    }
}
