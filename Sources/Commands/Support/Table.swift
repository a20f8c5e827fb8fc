import Observability

/// Aligned columns on standard output.
public enum Table {
    /// Prints a heading and rows; the columns named in `alignedRight` are numbers.
    public static func print(_ heading: [String], _ rows: [[String]], alignedRight: Set<Int> = []) {
        let all = [heading] + rows.map { $0.map { PlainText.line($0) } }
        let widths = heading.indices.map { column in
            all.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
        }
        for row in all {
            let cells = row.enumerated().map { column, cell in
                let space = String(repeating: " ", count: max(0, widths[column] - cell.count))
                return alignedRight.contains(column) ? space + cell : cell + space
            }
            var line = cells.joined(separator: "  ")
            while line.hasSuffix(" ") { line.removeLast() }
            Output.line(line)
        }
    }
}
