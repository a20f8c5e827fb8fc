import Glibc
import PgOutput

/// Values that are too large for a statement: the server's parser takes no literal above 512 MiB. They travel as COPY
/// data, whose lines may have 1 GiB: rows that are inserted by themselves, values that an UPDATE sets by way of a temporary
/// table with one row.
/// ```
/// CREATE TEMPORARY TABLE walrelay_value_1 ON COMMIT DROP AS SELECT "v" AS c1 FROM "s"."t" LIMIT 0; -- rows:0
/// COPY pg_temp.walrelay_value_1 FROM stdin; -- rows:1
/// UPDATE "s"."t" SET "v" = (SELECT c1 FROM pg_temp.walrelay_value_1) WHERE "id" = '1'; -- rows:1
/// ```
final class LargeValues {
    /// The most bytes of values that one statement has. Tests make it smaller.
    static let bytesMax = getenv("WALRELAY_LARGE_VALUE").flatMap { Int(String(cString: $0)) } ?? 256 << 20

    private let text: TextBuffer
    /// How many there were: no transaction has the same table twice.
    private var count = 0

    init(text: TextBuffer) {
        self.text = text
    }

    /// Whether a row's values go into a statement.
    @inline(__always)
    static func fit(_ tuple: Tuple) -> Bool { tuple.bytes.count <= bytesMax }

    /// The values by which a row is found have no other way than a statement.
    static func check(_ table: TablePlan, identifying tuple: Tuple) throws(BatchError) {
        guard !fit(tuple) else { return }
        throw BatchError(
            .tooLarge,
            "an update or delete names its row by all its old values, which have \(tuple.bytes.count >> 20) MiB, and no "
                + "statement can have more than \(bytesMax >> 20) MiB of them; give \(table.name) a primary key on source "
                + "and target (or leave the transaction out with replay --skip and change the row on the target by hand)",
            table: table.name)
    }

    /// Writes an UPDATE of the columns `sets` to the values of `row`, up to what finds the row.
    func writeUpdate(_ table: TablePlan, sets: ContiguousArray<Int>, row: Tuple, lane: Int) {
        count += 1
        text.append("CREATE TEMPORARY TABLE walrelay_value_")
        text.append(decimal: count)
        text.append(" ON COMMIT DROP AS SELECT ")
        for (number, column) in sets.enumerated() {
            if number > 0 { text.append(", ") }
            table.write(table.columns[column].name, to: text)
            text.append(" AS c")
            text.append(decimal: number + 1)
        }
        text.append(" FROM ")
        table.write(table.target, to: text)
        text.append(" LIMIT 0")
        text.appendStatementEnd(rows: 0, lane: lane)
        text.append("COPY pg_temp.walrelay_value_")
        text.append(decimal: count)
        text.append(" FROM stdin")
        text.appendStatementEnd(rows: 1, lane: lane)
        writeLine(sets: sets, row)
        table.write(table.update, to: text)
        for (number, column) in sets.enumerated() {
            if number > 0 { text.append(", ") }
            table.write(table.columns[column].assignment, to: text)
            text.append("(SELECT c")
            text.append(decimal: number + 1)
            text.append(" FROM pg_temp.walrelay_value_")
            text.append(decimal: count)
            text.append(")")
        }
    }

    private func writeLine(sets: ContiguousArray<Int>, _ row: Tuple) {
        var cursor = row.columns
        var index = 0
        var next = 0
        while let value = cursor.next(), next < sets.count {
            if sets[next] == index {
                if next > 0 { text.append(0x09) }
                if case .text(let bytes) = value { text.appendCopyField(bytes) } else { text.append("\\N") }
                next += 1
            }
            index += 1
        }
        text.append("\n\\.\n")
    }
}
