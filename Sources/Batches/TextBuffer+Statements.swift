// The parts of statements that are the same in all of them.
extension TextBuffer {
    /// Ends a statement: `; -- rows:9`, and ` lane:1` where it is not the first lane's.
    func appendStatementEnd(rows: Int, lane: Int = 0) {
        append("; -- rows:")
        append(rows: rows, lane: lane)
    }

    /// `COPY … FROM stdin; -- rows:9`, which the rows follow.
    func appendCopy(_ table: TablePlan, rows: Int, lane: Int) {
        table.write(table.copy, to: self)
        append(rows: rows, lane: lane)
    }

    private func append(rows: Int, lane: Int) {
        append(decimal: rows)
        if lane > 0 {
            append(" lane:")
            append(decimal: lane)
        }
        append("\n")
    }
}
