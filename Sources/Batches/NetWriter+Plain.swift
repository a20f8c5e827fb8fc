import PgOutput

// Statements about one row.
extension NetWriter {
    func writeDelete(_ table: NetTable, _ entry: NetTable.Entry) {
        table.plan.write(table.plan.delete, to: text)
        writeKey(table, entry)
        finish(rows: 1)
    }

    func writeUpdate(_ table: NetTable, _ entry: NetTable.Entry) {
        let plan = table.plan
        guard LargeValues.fit(table.row(entry)) else { return writeLargeUpdate(table, entry) }
        let start = text.count
        plan.write(plan.update, to: text)
        var cursor = table.row(entry).columns
        var isFirst = true
        for index in plan.columns.indices {
            guard let value = cursor.next(), plan.isSettable(index) else { continue }
            if case .unchanged = value { continue }
            if !isFirst { text.append(", ") }
            isFirst = false
            plan.write(plan.columns[index].assignment, to: text)
            RowWriter.literal(value, to: text)
        }
        guard !isFirst else { return text.truncate(to: start) }
        text.append(" WHERE ")
        writeKey(table, entry)
        finish(rows: 1)
    }

    private func writeLargeUpdate(_ table: NetTable, _ entry: NetTable.Entry) {
        let row = table.row(entry)
        let sets = table.plan.settable(in: row)
        guard !sets.isEmpty else { return }
        large.writeUpdate(table.plan, sets: sets, row: row, lane: lane)
        text.append(" WHERE ")
        writeKey(table, entry)
        finish(rows: 1)
    }

    private func writeKey(_ table: NetTable, _ entry: NetTable.Entry) {
        var isFirst = true
        table.forEachKeyValue(entry) { index, value in
            if !isFirst { text.append(" AND ") }
            isFirst = false
            let column = table.plan.columns[index]
            table.plan.write(column.equals, to: text)
            text.appendLiteral(value)
            table.plan.write(column.keyCast, to: text)
        }
    }
}

extension NetTable {
    /// Runs `body` with each key column's index and value.
    @inline(__always)
    func forEachKeyValue(_ entry: Entry, _ body: (Int, UnsafeRawBufferPointer) -> Void) {
        let key = self.key(entry)
        guard plan.netKey.count > 1 else { return body(plan.netKey[0], key) }
        var offset = 0
        for index in plan.netKey {
            let length = Int(key.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            body(index, UnsafeRawBufferPointer(rebasing: key[offset + 4..<offset + 4 + length]))
            offset += 4 + length
        }
    }
}

extension TablePlan {
    /// The column is set by updates: neither part of the key nor computed.
    func isSettable(_ index: Int) -> Bool {
        !columns[index].isGenerated && !netKey.contains(index)
    }

    /// The columns that an update to `row` sets.
    func settable(in row: Tuple) -> ContiguousArray<Int> {
        var cursor = row.columns
        var indexes: ContiguousArray<Int> = []
        for index in columns.indices {
            guard let value = cursor.next(), isSettable(index) else { continue }
            if case .unchanged = value { continue }
            indexes.append(index)
        }
        return indexes
    }
}

extension Tuple {
    /// True when the same columns were not sent.
    func lacksSame(as other: Tuple) -> Bool {
        var mine = columns
        var theirs = other.columns
        while let left = mine.next(), let right = theirs.next() {
            var isLeft = false
            var isRight = false
            if case .unchanged = left { isLeft = true }
            if case .unchanged = right { isRight = true }
            if isLeft != isRight { return false }
        }
        return true
    }
}
