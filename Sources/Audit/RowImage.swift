import PgOutput

/// A row as a change carries it: with the layout that names its columns, and knowing which columns were sent.
public struct RowImage {
    /// The table.
    public let relation: Relation
    /// The values.
    public let tuple: Tuple
    /// Only the columns of the replica identity were sent; the others read as NULL without being so.
    public let isKeyOnly: Bool
    /// The places of columns that are left out, as if they had not been sent.
    private let hidden: Set<Int>

    /// A row of the given table.
    public init(_ relation: Relation, _ tuple: Tuple, isKeyOnly: Bool = false, hidden: Set<Int> = []) {
        self.hidden = hidden
        self.relation = relation
        self.tuple = tuple
        self.isKeyOnly = isKeyOnly
    }

    init(_ relation: Relation, old: Message.OldTuple, hidden: Set<Int>) {
        let isKeyOnly =
            switch old {
            case .key: true
            case .full: false
            }
        self.init(relation, old.tuple, isKeyOnly: isKeyOnly, hidden: hidden)
    }

    /// Hands on the columns that were sent, in order. A tuple that is longer than its layout has columns without name.
    public func forEach(_ body: (_ name: String?, ColumnValue) throws -> Void) rethrows {
        var cursor = tuple.columns
        var index = 0
        while let value = cursor.next() {
            let column = index < relation.columns.count ? relation.columns[index] : nil
            index += 1
            if isKeyOnly, column?.isKey != true { continue }
            if !hidden.isEmpty, hidden.contains(index - 1) { continue }
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
            if column.name == name { return isKeyOnly && !column.isKey || hidden.contains(index) ? nil : value }
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
            let hidden = layouts.hiddenColumns(id)
            before = nil
            after = RowImage(relation, new, hidden: hidden)
        case .update(let id, let old, let new):
            guard let relation = layouts.relation(id) else { return nil }
            let hidden = layouts.hiddenColumns(id)
            before = old.map { RowImage(relation, old: $0, hidden: hidden) }
            after = RowImage(relation, new, hidden: hidden)
        case .delete(let id, let old):
            guard let relation = layouts.relation(id) else { return nil }
            let hidden = layouts.hiddenColumns(id)
            before = RowImage(relation, old: old, hidden: hidden)
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
