import PgOutput
import Selection

/// Which changes a search is for. All that is asked must hold, what concerns values in one row: the one before the
/// change or the one after it.
///
/// Values are compared as the text that the source sent. A value that was not sent – one stored out of line that an
/// update left alone, or all but the key of a deleted row – matches nothing.
public struct ChangeFilter: Sendable {
    /// The transaction's id.
    public var xid: UInt32?
    /// Columns and the text that they must have.
    public var equal: [(column: String, text: [UInt8])] = []
    /// Columns that must be NULL.
    public var null: [String] = []
    /// What the text of some column must match.
    public var expression: RegularExpression?

    /// A search for every change.
    public init() {}

    /// True when rows are looked at.
    public var needsValues: Bool { !equal.isEmpty || !null.isEmpty || expression != nil }

    /// True when the change is searched for.
    public func matches(_ message: Message, _ transaction: LogTransaction, _ layouts: Layouts) -> Bool {
        if let xid, transaction.begin.xid != xid { return false }
        guard needsValues else { return true }
        guard let rows = RowImages(message, layouts) else { return false }
        return (rows.before.map(matches) ?? false) || (rows.after.map(matches) ?? false)
    }

    private func matches(_ row: RowImage) -> Bool {
        for (column, text) in equal {
            guard let value = row.value(column), value.isText(text) else { return false }
        }
        for column in null {
            guard case .null = row.value(column) else { return false }
        }
        guard let expression else { return true }
        var isFound = false
        row.forEach { _, value in
            if !isFound, case .text(let bytes) = value { isFound = expression.matches(bytes) }
        }
        return isFound
    }
}
