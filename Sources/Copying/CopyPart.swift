import Catalog

/// What one thread copies at once: a table, or a range of its blocks.
package struct CopyPart: Sendable {
    /// The table.
    package var table: CopiedTable
    /// Which of how many parts this is, counted from 1.
    package var number = 1
    /// How many parts the table has.
    package var count = 1
    /// The first block; the parts before have those before.
    var firstBlock = 0
    /// The block behind the last; nil for the last part, which has all that there are.
    var endBlock: Int?
    /// Bytes on the source's disk.
    package var size: Int

    package init(
        table: CopiedTable, number: Int = 1, count: Int = 1, firstBlock: Int = 0, endBlock: Int? = nil, size: Int
    ) {
        self.table = table
        self.number = number
        self.count = count
        self.firstBlock = firstBlock
        self.endBlock = endBlock
        self.size = size
    }

    /// It is the whole table.
    package var isWhole: Bool { count == 1 }

    /// The table, and which part of it, for people.
    package var name: String { isWhole ? table.name : "\(table.name) (part \(number) of \(count))" }

    /// What a COPY on the source reads.
    package var source: String {
        guard !isWhole else { return table.copyList }
        var condition = "ctid >= '(\(firstBlock),0)'"
        if let endBlock { condition += " AND ctid < '(\(endBlock),0)'" }
        return "(SELECT \(table.columns ?? "") FROM ONLY \(table.name) WHERE \(condition))"
    }

    /// Divides tables, and puts the largest parts first.
    ///
    /// - Parameters:
    ///   - bytes: a table of more is divided into parts of about as much; nil for none.
    ///   - partsMax: into not more than so many; nil for any number.
    package static func plan(_ tables: [CopiedTable], larger bytes: Int?, partsMax: Int?) -> [CopyPart] {
        tables.flatMap { table in
            var count = 1
            if let bytes, table.isDivisible, table.size > bytes {
                count = min(table.blocks, partsMax ?? .max, 1 + (table.size - 1) / max(1, bytes))
            }
            guard count > 1 else { return [CopyPart(table: table, size: table.size)] }
            return (0..<count).map { index in
                CopyPart(
                    table: table, number: index + 1, count: count, firstBlock: table.blocks * index / count,
                    endBlock: index + 1 < count ? table.blocks * (index + 1) / count : nil, size: table.size / count)
            }
        }.sorted { $0.size > $1.size }
    }
}
