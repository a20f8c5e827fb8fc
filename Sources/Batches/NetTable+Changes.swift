import PgOutput

// How a change joins the net effect. Each returns false when it cannot: then nothing was changed, and the table's
// changes so far are to be written out before this one, which is written as it came.
extension NetTable {
    /// A row was inserted.
    func insert(_ new: Tuple) -> Bool {
        guard let key = netKey(new) else { return false }
        let index = entry(key)
        guard let next = entries[index].state.afterInsert else { return false }
        setRow(index, new, hasUnchanged: false)
        setState(index, next)
        return true
    }

    /// The row that `old` identifies was deleted.
    func delete(_ old: Tuple) -> Bool {
        guard let key = netKey(old) else { return false }
        let index = entry(key)
        guard isRow(index, plan.isFull ? old : nil), let next = entries[index].state.afterDelete else { return false }
        setState(index, next)
        return true
    }

    /// A row was updated. Without `old` its key stayed what it was.
    func update(old: Message.OldTuple?, new: Tuple) -> Bool {
        guard let newKey = netKey(new, over: old?.tuple) else { return false }
        let index = entry(newKey)
        guard let old else { return change(index, new, old: nil) }
        let known: Tuple? =
            switch old {
            case .full(let row): row
            case .key: nil
            }
        // The new key's bytes are in the entry now, so the buffer is free for the old one.
        guard let oldKey = netKey(old.tuple) else { return false }
        if oldKey.hasSameBytes(as: self.key(entries[index])) { return change(index, new, old: known) }
        return move(from: entry(oldKey), to: index, new, old: known)
    }

    /// False when a whole old row was sent that is not the row held: what is known of the table is newer than the changes,
    /// and there was a time when two rows had the same key.
    private func isRow(_ index: Int, _ old: Tuple?) -> Bool {
        guard let old, entries[index].state.hasRow else { return true }
        return row(entries[index]).bytes.hasSameBytes(as: old.bytes)
    }

    /// The row stays under its key.
    private func change(_ index: Int, _ new: Tuple, old: Tuple?) -> Bool {
        let state = entries[index].state
        guard isRow(index, old), let next = state.afterUpdate else { return false }
        let (row, hasUnchanged) = complete(new, old: old, over: state == .none ? nil : index)
        setRow(index, row, hasUnchanged: hasUnchanged)
        setState(index, next)
        return true
    }

    /// The row leaves one key and takes another: a delete and an insert, for which the whole row must be known.
    private func move(from: Int, to: Int, _ new: Tuple, old: Tuple?) -> Bool {
        let state = entries[from].state
        guard isRow(from, old), let left = state.afterDelete, let taken = entries[to].state.afterInsert else {
            return false
        }
        let (row, hasUnchanged) = complete(new, old: old, over: state == .none ? nil : from)
        guard !hasUnchanged else { return false }
        setRow(to, row, hasUnchanged: false)
        setState(from, left)
        setState(to, taken)
        return true
    }

    /// `new` with the values that were not sent taken from the old row, if it was sent whole, and from the row of the
    /// entry `over`, whose last state is newer than what the target has.
    private func complete(_ new: Tuple, old: Tuple?, over index: Int?) -> (row: Tuple, hasUnchanged: Bool) {
        guard new.hasUnchanged else { return (new, false) }
        if let old { return merge(new, over: old) }
        if let index { return merge(new, over: row(entries[index])) }
        return (new, true)
    }

    /// The bytes by which rows are told apart: the value of a key of one column, or each column's length and value.
    /// Nil when a key column is NULL or was not sent. Valid until the next call.
    private func netKey(_ tuple: Tuple, over old: Tuple? = nil) -> UnsafeRawBufferPointer? {
        var columns = tuple.columns
        var oldColumns = old?.columns
        var index = 0
        let isSingle = plan.netKey.count == 1
        keyBuffer.clear()
        for position in plan.netKey {
            var value: ColumnValue?
            while index <= position {
                value = columns.next()
                let before = oldColumns?.next()
                // A key that is stored out of line and did not change.
                if case .unchanged = value, let before { value = before }
                index += 1
            }
            guard case .text(let bytes) = value else { return nil }
            if isSingle { return bytes }
            keyBuffer.append(fixed: UInt32(truncatingIfNeeded: bytes.count))
            keyBuffer.append(bytes)
        }
        return keyBuffer.bytes
    }
}

extension Tuple {
    /// True when a value was not sent.
    var hasUnchanged: Bool {
        var columns = self.columns
        while let value = columns.next() {
            if case .unchanged = value { return true }
        }
        return false
    }
}
