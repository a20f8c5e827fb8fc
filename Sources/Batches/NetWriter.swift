import PgOutput

/// Writes a table's net effect: deletes, then updates, then inserts, so that what is freed is free when it is taken.
///
/// Few rows become plain statements. Many become one statement over arrays, which costs the target one plan, and per
/// row only the row's own work:
/// ```
/// DELETE FROM "s"."t" AS t USING (SELECT pg_catalog.unnest(E'{1,2}'::pg_catalog.int4[]) AS c1) AS n WHERE t."id" = n.c1; -- rows:2
/// UPDATE "s"."t" AS t SET "v" = n.c2 FROM (SELECT unnest(…) AS c1,unnest(…) AS c2) AS n WHERE t."id" = n.c1; -- rows:2
/// ```
/// Where a type is not built in, the rows stand as a list of VALUES instead: whoever owns a type can make a cast from text to it,
/// which a statement over arrays would call. A literal is read by the type's own input function.
/// ```
/// UPDATE "s"."t" AS t SET "m" = n.c2 FROM (VALUES ('1'::pg_catalog.int4,'low'::"s".mood),('2','high')) AS n (c1,c2) WHERE …
/// ```
final class NetWriter {
    /// Groups of fewer rows become plain statements.
    static let arrayThreshold = 4
    /// A statement over arrays has at most so many rows, and so many bytes of values.
    static let arrayRowsMax = 10_000
    static let arrayBytesMax = 1 << 20
    /// A list of VALUES has at most so many rows.
    static let valuesRowsMax = 1_000
    /// Updates of one table that set differing columns (values that were not sent) are told apart into at most so many
    /// groups; what is left becomes plain statements.
    static let groupsMax = 16

    let text: TextBuffer
    let large: LargeValues
    private let lanes: Int
    /// The lane whose statements are being written.
    private(set) var lane = 0
    /// The columns of the statement being written, each as the inside of an array literal.
    var arrays: [TextBuffer] = []
    /// Indexes of entries, and what they are sorted by.
    private var order: ContiguousArray<SortKey> = []
    private var rest: ContiguousArray<SortKey> = []

    /// What an entry is sorted by: for locality on the target only, so equal keys may come in any order.
    struct SortKey {
        var prefix: UInt64
        var index: Int
    }

    /// A writer that appends to `text`, for so many lanes.
    init(text: TextBuffer, large: LargeValues, lanes: Int) {
        self.text = text
        self.large = large
        self.lanes = lanes
    }

    /// Writes all that `table` holds.
    func write(_ table: NetTable) throws(BatchError) {
        for number in 0..<lanes {
            lane = number
            writeDeletes(table)
            writeUpdates(table)
            writeInserts(table)
        }
    }

    private func writeDeletes(_ table: NetTable) {
        collect(table) { $0.state.deletes }
        let plan = table.plan
        guard order.count >= NetWriter.arrayThreshold, plan.netKey.allSatisfy({ plan.columns[$0].hasTypeName }) else {
            for sorted in order { writeDelete(table, table.entries[sorted.index]) }
            return
        }
        writeMany(table, order, columns: plan.netKey) { _ in
            text.append("DELETE FROM ")
            plan.write(plan.target, to: text)
            text.append(" AS t USING ")
        }
    }

    private func writeUpdates(_ table: NetTable) {
        collect(table) { $0.state == .update }
        writeSingly(table)
        guard !order.isEmpty else { return }
        rest.removeAll(keepingCapacity: true)
        if order.contains(where: { table.entries[$0.index].hasUnchanged }) {
            rest.append(contentsOf: order.filter { table.entries[$0.index].hasUnchanged })
            order.removeAll { table.entries[$0.index].hasUnchanged }
        }
        writeGroup(table)
        var groups = 1
        while let first = rest.first {
            groups += 1
            order.removeAll(keepingCapacity: true)
            if groups > NetWriter.groupsMax {
                for sorted in rest { writeUpdate(table, table.entries[sorted.index]) }
                return
            }
            let pattern = table.row(table.entries[first.index])
            order.append(contentsOf: rest.filter { table.row(table.entries[$0.index]).lacksSame(as: pattern) })
            rest.removeAll { table.row(table.entries[$0.index]).lacksSame(as: pattern) }
            writeGroup(table)
        }
    }

    /// Writes those of the updates in `order` that have no room in an array, where backslashes take four times theirs.
    private func writeSingly(_ table: NetTable) {
        let isWide = { (sorted: SortKey) in
            table.entries[sorted.index].row.count > min(NetWriter.arrayBytesMax, LargeValues.bytesMax)
        }
        guard order.contains(where: isWide) else { return }
        for sorted in order where isWide(sorted) { writeUpdate(table, table.entries[sorted.index]) }
        order.removeAll(where: isWide)
    }

    /// Writes the updates in `order`, which all set the same columns.
    private func writeGroup(_ table: NetTable) {
        guard let first = order.first else { return }
        let plan = table.plan
        let sets = plan.settable(in: table.row(table.entries[first.index]))
        // Only the key is there, or nothing was sent of the rest: nothing to set.
        guard !sets.isEmpty else { return }
        let columns = plan.netKey + sets
        guard order.count >= NetWriter.arrayThreshold, columns.allSatisfy({ plan.columns[$0].hasTypeName }) else {
            for sorted in order { writeUpdate(table, table.entries[sorted.index]) }
            return
        }
        writeMany(table, order, columns: columns) { isArray in
            plan.write(plan.arrayUpdate, to: text)
            for (number, column) in sets.enumerated() {
                if number > 0 { text.append(", ") }
                plan.write(plan.columns[column].assignment, to: text)
                writeElementName(plan, columns, number + plan.netKey.count, isArray: isArray)
            }
            text.append(" FROM ")
        }
    }

    /// Writes statements about all rows in `order`, each with `head` up to where the values come, which is told whether they
    /// come as arrays.
    private func writeMany(
        _ table: NetTable, _ order: ContiguousArray<SortKey>, columns: ContiguousArray<Int>, _ head: (Bool) -> Void
    ) {
        guard columns.allSatisfy({ table.plan.columns[$0].fitsArray }) else {
            return writeValues(table, order, columns: columns) { head(false) }
        }
        writeArrays(table, order, columns: columns) { rows in
            head(true)
            finishArrayStatement(table.plan, columns: columns, rows: rows)
        }
    }

    private func writeInserts(_ table: NetTable) {
        order.removeAll(keepingCapacity: true)
        for index in table.entries.indices
        where table.entries[index].lane == lane && table.entries[index].state.inserts {
            order.append(SortKey(prefix: 0, index: index))
        }
        guard !order.isEmpty else { return }
        let plan = table.plan
        let isLarge = order.contains { !LargeValues.fit(table.row(table.entries[$0.index])) }
        if order.count >= InsertRun.copyThreshold || isLarge {
            text.appendCopy(plan, rows: order.count, lane: lane)
            for sorted in order { RowWriter.copyLine(plan, table.row(table.entries[sorted.index]), to: text) }
            text.append("\\.\n")
            return
        }
        plan.write(plan.insert, to: text)
        for (number, sorted) in order.enumerated() {
            text.append(number == 0 ? "VALUES (" : ",(")
            RowWriter.values(plan, table.row(table.entries[sorted.index]), to: text)
            text.append(")")
        }
        finish(rows: order.count)
    }

    func finish(rows: Int) {
        text.appendStatementEnd(rows: rows, lane: lane)
    }

    /// Puts the entries that `isWanted` in `order`, sorted as an index on the key would have them.
    private func collect(_ table: NetTable, where isWanted: (NetTable.Entry) -> Bool) {
        order.removeAll(keepingCapacity: true)
        let isInteger = table.plan.netKey.first.map { table.plan.columns[$0].isInteger } ?? false
        let hasLength = table.plan.netKey.count > 1
        for index in table.entries.indices
        where table.entries[index].lane == lane && isWanted(table.entries[index]) {
            let key = table.key(table.entries[index])
            order.append(
                SortKey(prefix: NetWriter.prefix(key, isInteger: isInteger, hasLength: hasLength), index: index))
        }
        order.sort { $0.prefix < $1.prefix }
    }

    /// The first key column as a number that sorts as it does.
    private static func prefix(_ key: UnsafeRawBufferPointer, isInteger: Bool, hasLength: Bool) -> UInt64 {
        var value = key
        if hasLength {
            let length = Int(key.loadUnaligned(as: UInt32.self))
            value = UnsafeRawBufferPointer(rebasing: key[4..<4 + length])
        }
        guard isInteger else {
            var prefix: UInt64 = 0
            for offset in 0..<8 { prefix = prefix << 8 | UInt64(offset < value.count ? value[offset] : 0) }
            return prefix
        }
        var number: UInt64 = 0
        let isNegative = value.first == UInt8(ascii: "-")
        for byte in value.dropFirst(isNegative ? 1 : 0) {
            number = number &* 10 &+ UInt64(byte &- UInt8(ascii: "0"))
        }
        let middle = UInt64(1) << 63
        return isNegative ? middle &- number : middle &+ number
    }
}
