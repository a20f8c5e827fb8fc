import PgOutput

/// Writes whole new rows: as COPY lines, and as the inside of VALUES.
enum RowWriter {
    /// Checks that a tuple fits the table and holds text values only.
    static func check(_ table: TablePlan, _ tuple: Tuple, allowsUnchanged: Bool = false) throws(BatchError) {
        guard tuple.columnCount == table.columns.count else {
            throw BatchError(
                .malformedMessage,
                "a row has \(tuple.columnCount) columns but the table's layout has \(table.columns.count); "
                    + "verify the log with `inspect verify`", table: table.name)
        }
        var cursor = tuple.columns
        while let value = cursor.next() {
            switch value {
            case .null, .text: break
            case .unchanged:
                guard allowsUnchanged else {
                    throw BatchError(
                        .malformedMessage,
                        "an inserted row has a value that was not sent; verify the log with `inspect verify`",
                        table: table.name)
                }
            case .binary:
                throw BatchError(
                    .binaryValue,
                    "a value is in binary form, which cannot be written as SQL text; receive without --binary",
                    table: table.name)
            }
        }
    }

    /// One line of COPY's text format.
    static func copyLine(_ table: TablePlan, _ tuple: Tuple, to text: TextBuffer) {
        var cursor = tuple.columns
        var isFirst = true
        for index in table.columns.indices {
            guard let value = cursor.next(), !table.columns[index].isGenerated else { continue }
            if !isFirst { text.append(0x09) }
            isFirst = false
            switch value {
            case .text(let bytes): text.appendCopyField(bytes)
            case .null, .unchanged, .binary: text.append("\\N")
            }
        }
        text.append(0x0A)
    }

    /// The literals of a row, separated by commas.
    static func values(_ table: TablePlan, _ tuple: Tuple, to text: TextBuffer) {
        var cursor = tuple.columns
        var isFirst = true
        for index in table.columns.indices {
            guard let value = cursor.next(), !table.columns[index].isGenerated else { continue }
            if !isFirst { text.append(UInt8(ascii: ",")) }
            isFirst = false
            literal(value, to: text)
        }
    }

    /// A literal, or NULL.
    @inline(__always)
    static func literal(_ value: ColumnValue, to text: TextBuffer) {
        switch value {
        case .text(let bytes): text.appendLiteral(bytes)
        case .null, .unchanged, .binary: text.append("NULL")
        }
    }
}
