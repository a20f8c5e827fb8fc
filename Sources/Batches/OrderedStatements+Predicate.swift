import PgOutput

// Which row a statement is about.
extension OrderedStatements {
    /// The condition that finds the row of `tuple`, and no other.
    func writePredicate(_ table: TablePlan, _ tuple: Tuple) throws(BatchError) {
        switch table.identity {
        case .key:
            try writeKey(table, tuple)
        case .primaryKey where isPrimaryKeyKnown(table, tuple):
            writePrimaryKey(table, tuple)
        case .primaryKey, .wholeRow, .none:
            try LargeValues.check(table, identifying: tuple)
            writeOneRow(table, tuple)
        }
    }

    private func writeKey(_ table: TablePlan, _ tuple: Tuple) throws(BatchError) {
        var cursor = tuple.columns
        var isFirst = true
        for index in table.columns.indices {
            guard let value = cursor.next(), table.columns[index].isKey else { continue }
            if !isFirst { text.append(" AND ") }
            isFirst = false
            guard case .unchanged = value else {
                writeKeyColumn(table, table.columns[index], value)
                continue
            }
            throw BatchError(
                .malformedMessage,
                "a change does not say the value of a key column; verify the log with `inspect verify`",
                table: table.name)
        }
    }

    private func isPrimaryKeyKnown(_ table: TablePlan, _ tuple: Tuple) -> Bool {
        var cursor = tuple.columns
        for index in table.columns.indices {
            guard let value = cursor.next() else { return false }
            guard table.columns[index].isPrimaryKey else { continue }
            guard case .text = value else { return false }
        }
        return true
    }

    private func writePrimaryKey(_ table: TablePlan, _ tuple: Tuple) {
        var cursor = tuple.columns
        var isFirst = true
        for index in table.columns.indices {
            guard let value = cursor.next(), table.columns[index].isPrimaryKey else { continue }
            if !isFirst { text.append(" AND ") }
            isFirst = false
            writeKeyColumn(table, table.columns[index], value)
        }
    }

    private func writeKeyColumn(_ table: TablePlan, _ column: ColumnPlan, _ value: ColumnValue) {
        guard case .text(let bytes) = value else {
            table.write(column.name, to: text)
            return text.append(" IS NULL")
        }
        table.write(column.equals, to: text)
        text.appendLiteral(bytes)
        table.write(column.keyCast, to: text)
    }

    /// One row among those that are equal in every column.
    private func writeOneRow(_ table: TablePlan, _ tuple: Tuple) {
        text.append(
            table.isPartitioned
                ? "(tableoid, ctid) = (SELECT tableoid, ctid FROM " : "ctid = (SELECT ctid FROM ")
        table.write(table.target, to: text)
        var cursor = tuple.columns
        var isFirst = true
        for index in table.columns.indices {
            guard let value = cursor.next(), !table.columns[index].isGenerated else { continue }
            if case .unchanged = value { continue }
            text.append(isFirst ? " WHERE " : " AND ")
            isFirst = false
            writeIdentity(table, table.columns[index], value)
        }
        text.append(" LIMIT 1)")
    }

    private func writeIdentity(_ table: TablePlan, _ column: ColumnPlan, _ value: ColumnValue) {
        guard case .text(let bytes) = value else {
            table.write(column.name, to: text)
            // A composite value whose fields are all NULL IS NULL, too, but it is not the NULL that is looked for.
            return text.append(column.comparison == .text ? " IS NOT DISTINCT FROM NULL" : " IS NULL")
        }
        if column.comparison != .text {
            table.write(column.assignment, to: text)
            text.appendLiteral(bytes)
        } else if bytes.isEmpty {
            // concat() makes an empty text of NULL, too.
            table.write(column.name, to: text)
            text.append(" IS DISTINCT FROM NULL AND ")
        }
        switch column.comparison {
        case .equality: return
        case .equalityAndFloat4: writeFloat("pg_catalog.float4send(", table, column, bytes)
        case .equalityAndFloat8: writeFloat("pg_catalog.float8send(", table, column, bytes)
        case .equalityAndText:
            text.append(" AND ")
            fallthrough
        case .text:
            // concat() gives the type's output text, which is what the source sent; a cast to text differs for some.
            text.append("pg_catalog.concat(")
            table.write(column.name, to: text)
            text.append(") COLLATE \"C\" = ")
            text.appendLiteral(bytes)
        }
    }

    private func writeFloat(
        _ function: StaticString, _ table: TablePlan, _ column: ColumnPlan, _ bytes: UnsafeRawBufferPointer
    ) {
        text.append(" AND ")
        text.append(function)
        table.write(column.name, to: text)
        text.append(") = ")
        text.append(function)
        text.appendLiteral(bytes)
        text.append(")")
    }
}
