import PgOutput

// UPDATE and DELETE.
extension OrderedStatements {
    func update(
        _ table: TablePlan, old: Message.OldTuple?, new: Tuple, message: UnsafeRawBufferPointer
    ) throws(BatchError) {
        let identifying = try OrderedStatements.identifyingTuple(table, old: old, new: new)
        try RowWriter.check(table, new, allowsUnchanged: true)
        let oldTuple = old?.tuple
        let isReplaced = table.hasAlwaysIdentity && changesAlwaysIdentity(table, old: oldTuple, new: new)
        guard isReplaced || changesAnything(table, old: oldTuple, new: new) else { return }
        try closeRun()
        let start = text.count
        do {
            if isReplaced {
                try writeReplacement(table, identifying, new)
            } else {
                if LargeValues.fit(new) {
                    table.write(table.update, to: text)
                    writeAssignments(table, old: oldTuple, new: new)
                } else {
                    let sets = setColumns(table, old: oldTuple, new: new)
                    large.writeUpdate(table, sets: sets, row: new, lane: lane(of: table))
                }
                text.append(" WHERE ")
                try writePredicate(table, identifying)
            }
        } catch {
            text.truncate(to: start)
            throw error
        }
        text.appendStatementEnd(rows: 1, lane: lane(of: table))
    }

    func delete(
        _ table: TablePlan, old: Message.OldTuple, message: UnsafeRawBufferPointer
    ) throws(BatchError) {
        let identifying = try OrderedStatements.identifyingTuple(table, old: old, new: old.tuple)
        try closeRun()
        let start = text.count
        do {
            table.write(table.delete, to: text)
            try writePredicate(table, identifying)
        } catch {
            text.truncate(to: start)
            throw error
        }
        text.appendStatementEnd(rows: 1, lane: lane(of: table))
    }

    /// The tuple whose columns say which row is meant.
    static func identifyingTuple(
        _ table: TablePlan, old: Message.OldTuple?, new: Tuple
    ) throws(BatchError) -> Tuple {
        guard table.identity != .none else {
            throw BatchError(
                .noReplicaIdentity,
                "an update or delete does not say which row it changes; on the source run: ALTER TABLE \(table.name) "
                    + "REPLICA IDENTITY FULL (or give the table a primary key), then start again from a new copy",
                table: table.name)
        }
        switch old {
        case .key(let tuple) where !table.isFull, .full(let tuple):
            try RowWriter.check(table, tuple, allowsUnchanged: true)
            return tuple
        case nil where !table.isFull: return new
        case nil, .key:
            throw BatchError(
                .malformedMessage,
                "a change of a table with REPLICA IDENTITY FULL comes without the whole old row; verify the log with "
                    + "`inspect verify`", table: table.name)
        }
    }

    /// True when the column is to be set. A key whose old value was not sent, or was and is the same, did not change.
    @inline(__always)
    private func isSet(_ column: ColumnPlan, old: ColumnValue?, new: ColumnValue) -> Bool {
        if column.isGenerated { return false }
        if case .unchanged = new { return false }
        guard column.isKey else { return true }
        guard let old else { return false }
        return !old.isSame(as: new)
    }

    private func setColumns(_ table: TablePlan, old: Tuple?, new: Tuple) -> ContiguousArray<Int> {
        var oldCursor = old?.columns
        var newCursor = new.columns
        var sets: ContiguousArray<Int> = []
        for index in table.columns.indices {
            let oldValue = oldCursor?.next()
            guard let newValue = newCursor.next() else { break }
            if isSet(table.columns[index], old: oldValue, new: newValue) { sets.append(index) }
        }
        return sets
    }

    private func changesAnything(_ table: TablePlan, old: Tuple?, new: Tuple) -> Bool {
        var oldCursor = old?.columns
        var newCursor = new.columns
        for index in table.columns.indices {
            let oldValue = oldCursor?.next()
            guard let newValue = newCursor.next() else { break }
            if isSet(table.columns[index], old: oldValue, new: newValue) { return true }
        }
        return false
    }

    private func changesAlwaysIdentity(_ table: TablePlan, old: Tuple?, new: Tuple) -> Bool {
        var oldCursor = old?.columns
        var newCursor = new.columns
        for index in table.columns.indices {
            let oldValue = oldCursor?.next()
            guard let newValue = newCursor.next() else { break }
            let column = table.columns[index]
            if column.isAlwaysIdentity && isSet(column, old: oldValue, new: newValue) { return true }
        }
        return false
    }

    private func writeAssignments(_ table: TablePlan, old: Tuple?, new: Tuple) {
        var oldCursor = old?.columns
        var newCursor = new.columns
        var isFirst = true
        for index in table.columns.indices {
            let oldValue = oldCursor?.next()
            guard let newValue = newCursor.next() else { break }
            let column = table.columns[index]
            guard isSet(column, old: oldValue, new: newValue) else { continue }
            if !isFirst { text.append(", ") }
            isFirst = false
            table.write(column.assignment, to: text)
            RowWriter.literal(newValue, to: text)
        }
    }

    /// One statement that takes the row out and puts it back: SQL cannot SET a GENERATED ALWAYS identity column.
    private func writeReplacement(_ table: TablePlan, _ identifying: Tuple, _ new: Tuple) throws(BatchError) {
        text.append("WITH replaced AS (")
        table.write(table.delete, to: text)
        try writePredicate(table, identifying)
        text.append(" RETURNING *) ")
        table.write(table.insert, to: text)
        text.append("SELECT ")
        var cursor = new.columns
        var isFirst = true
        for index in table.columns.indices {
            guard let value = cursor.next(), !table.columns[index].isGenerated else { continue }
            if !isFirst { text.append(",") }
            isFirst = false
            if case .unchanged = value {
                text.append("replaced.")
                table.write(table.columns[index].name, to: text)
            } else {
                RowWriter.literal(value, to: text)
            }
        }
        text.append(" FROM replaced")
    }
}

extension ColumnValue {
    /// True when both are NULL, or the same bytes; a value that was not sent is the same as nothing.
    func isSame(as other: ColumnValue) -> Bool {
        switch (self, other) {
        case (.null, .null): true
        case (.text(let left), .text(let right)): left.hasSameBytes(as: right)
        default: false
        }
    }
}
