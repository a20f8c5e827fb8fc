import PgOutput

// Statements over arrays: the values of each column in one array, all unnested side by side as `n`'s columns c1, c2, …,
// the key's first. In a list of results, unlike in FROM, the server hands elements on without storing them row by row
// before.
extension NetWriter {
    /// Gathers the values of `columns` of the entries in `order`, and has `statement` write a statement, with the number
    /// of its rows, each time that there is enough for one.
    func writeArrays(
        _ table: NetTable, _ order: ContiguousArray<SortKey>, columns: ContiguousArray<Int>,
        _ statement: (Int) -> Void
    ) {
        while arrays.count < columns.count { arrays.append(TextBuffer(capacity: 4 << 10)) }
        let plan = table.plan
        // Which array takes a column's value, if any: looked up for each value, so not searched for.
        var takers = ContiguousArray(repeating: -1, count: plan.columns.count)
        for (number, column) in columns.enumerated() { takers[column] = number }
        for number in columns.indices { arrays[number].clear() }
        var rows = 0
        var bytes = 0
        for sorted in order {
            let entry = table.entries[sorted.index]
            table.forEachKeyValue(entry) { index, value in
                append(.text(value), plan.columns[index], to: arrays[takers[index]])
            }
            if columns.count > plan.netKey.count {
                var cursor = table.row(entry).columns
                for index in plan.columns.indices {
                    guard let value = cursor.next() else { break }
                    let taker = takers[index]
                    if taker >= plan.netKey.count { append(value, plan.columns[index], to: arrays[taker]) }
                }
            }
            rows += 1
            bytes += entry.row.count + entry.key.count
            if rows >= NetWriter.arrayRowsMax || bytes >= NetWriter.arrayBytesMax {
                statement(rows)
                for number in columns.indices { arrays[number].clear() }
                rows = 0
                bytes = 0
            }
        }
        if rows > 0 { statement(rows) }
    }

    @inline(__always)
    private func append(_ value: ColumnValue, _ column: ColumnPlan, to array: TextBuffer) {
        if array.count > 0 { array.append(UInt8(ascii: ",")) }
        switch value {
        case .text(let bytes): array.appendElement(bytes, isPlain: column.arrayForm == .plain)
        case .null, .unchanged, .binary: array.appendNullElement()
        }
    }

    /// `n.c3`, with the cast that an array's element needs.
    func writeElementName(_ plan: TablePlan, _ columns: ContiguousArray<Int>, _ number: Int, isArray: Bool) {
        text.append("n.c")
        text.append(decimal: number + 1)
        if isArray { plan.write(plan.columns[columns[number]].elementCast, to: text) }
    }

    /// `(SELECT pg_catalog.unnest(E'{…}'::…[]) AS c1,…) AS n WHERE t."id" = n.c1; -- rows:9`
    func finishArrayStatement(_ plan: TablePlan, columns: ContiguousArray<Int>, rows: Int) {
        for number in columns.indices {
            text.append(number == 0 ? "(SELECT pg_catalog.unnest(E'{" : ",pg_catalog.unnest(E'{")
            text.append(arrays[number].bytes)
            text.append("}'")
            plan.write(plan.columns[columns[number]].arrayCast, to: text)
            text.append(") AS c")
            text.append(decimal: number + 1)
        }
        text.append(") AS n WHERE ")
        finishManyStatement(plan, columns: columns, rows: rows, isArray: true)
    }

    /// `t."id" = n.c1; -- rows:9`
    private func finishManyStatement(_ plan: TablePlan, columns: ContiguousArray<Int>, rows: Int, isArray: Bool) {
        for number in plan.netKey.indices {
            if number > 0 { text.append(" AND ") }
            let column = plan.columns[plan.netKey[number]]
            guard !column.comparesText else {
                text.append("pg_catalog.concat(t.")
                plan.write(column.name, to: text)
                text.append(") COLLATE \"C\" = pg_catalog.concat(")
                writeElementName(plan, columns, number, isArray: isArray)
                text.append(")")
                continue
            }
            text.append("t.")
            plan.write(column.equals, to: text)
            writeElementName(plan, columns, number, isArray: isArray)
        }
        finish(rows: rows)
    }
}

// Statements over a list of rows: `(VALUES ('1'::…,'low'::…),('2','high')) AS n (c1,c2) WHERE t."id" = n.c1; -- rows:2`
extension NetWriter {
    /// Writes statements about the entries in `order`, each with `head` up to the list.
    func writeValues(
        _ table: NetTable, _ order: ContiguousArray<SortKey>, columns: ContiguousArray<Int>, _ head: () -> Void
    ) {
        var rows = 0
        var bytes = 0
        for sorted in order {
            let entry = table.entries[sorted.index]
            if rows == 0 { head() }
            text.append(rows == 0 ? "(VALUES (" : ",(")
            writeValues(table, entry, columns, isFirst: rows == 0)
            text.append(")")
            rows += 1
            bytes += entry.row.count + entry.key.count
            guard rows >= NetWriter.valuesRowsMax || bytes >= NetWriter.arrayBytesMax else { continue }
            finishValues(table.plan, columns, rows)
            (rows, bytes) = (0, 0)
        }
        if rows > 0 { finishValues(table.plan, columns, rows) }
    }

    /// The values of one row. The first row's say what type each column has.
    private func writeValues(
        _ table: NetTable, _ entry: NetTable.Entry, _ columns: ContiguousArray<Int>, isFirst: Bool
    ) {
        let plan = table.plan
        var written = 0
        let write = { [text] (value: ColumnValue, index: Int) in
            if written > 0 { text.append(UInt8(ascii: ",")) }
            written += 1
            RowWriter.literal(value, to: text)
            if isFirst { plan.write(plan.columns[index].valueCast, to: text) }
        }
        table.forEachKeyValue(entry) { index, value in write(.text(value), index) }
        var cursor = table.row(entry).columns
        for index in plan.columns.indices where written < columns.count {
            guard let value = cursor.next() else { break }
            // The key came first, the others come in their order.
            if index == columns[written] { write(value, index) }
        }
    }

    private func finishValues(_ plan: TablePlan, _ columns: ContiguousArray<Int>, _ rows: Int) {
        text.append(") AS n (")
        for number in columns.indices {
            text.append(number == 0 ? "c" : ",c")
            text.append(decimal: number + 1)
        }
        text.append(") WHERE ")
        finishManyStatement(plan, columns: columns, rows: rows, isArray: false)
    }
}
