/// The rows of the source, with the changes of transactions that are still in progress.
struct SourceRows {
    /// A row and what tells it from all others for ever.
    struct Stored {
        let id: Int
        var values: Row
    }

    /// How a change is undone.
    enum Undo {
        case remove(table: Int, id: Int)
        case put(table: Int, Stored)
        case replace(table: Int, id: Int, Row)
    }

    private(set) var tables: [[Stored]] = ModelTable.all.map { _ in [] }
    private var committed: [[Int: Row]] = ModelTable.all.map { _ in [:] }
    /// A sum over the committed rows of each table.
    private(set) var digests: [UInt64] = ModelTable.all.map { _ in 0 }
    /// Who changes a row, or held its values.
    private var owners: [[Int: Int]] = ModelTable.all.map { _ in [:] }
    /// Values that a transaction in progress has freed: whoever takes them would have to wait for it.
    private var held: [[(owner: Int, values: Row)]] = ModelTable.all.map { _ in [] }
    private var nextID = 0
    /// Who has emptied a table: nobody else may touch it before the end of that.
    private var locks: [Int?] = ModelTable.all.map { _ in nil }

    /// Rows that `owner` may change.
    func free(_ table: Int, for owner: Int) -> [Int] {
        guard locks[table].map({ $0 == owner }) ?? true else { return [] }
        return tables[table].indices.filter { owners[table][tables[table][$0].id].map { $0 == owner } ?? true }
    }

    /// True when nobody else is at work in the table.
    func isFree(_ table: Int, for owner: Int) -> Bool {
        // Also when there is no row in it: a second TRUNCATE would wait for the first one's transaction.
        (locks[table] ?? owner) == owner && owners[table].values.allSatisfy { $0 == owner }
            && held[table].allSatisfy { $0.owner == owner }
    }

    /// True when the row can be there, beside all others but `id`.
    func fits(_ row: Row, _ table: Int, besides id: Int?, for owner: Int) -> Bool {
        guard locks[table].map({ $0 == owner }) ?? true else { return false }
        return ModelTable.all[table].constraints.allSatisfy { columns in
            let clashes = { (other: Row) in columns.allSatisfy { other[$0] == row[$0] } }
            return !tables[table].contains { $0.id != id && clashes($0.values) }
                && !held[table].contains { $0.owner != owner && clashes($0.values) }
        }
    }

    /// Keeps all others away from a table.
    mutating func lock(_ table: Int, by owner: Int) { locks[table] = owner }

    mutating func insert(_ row: Row, _ table: Int, by owner: Int) -> Undo {
        nextID += 1
        tables[table].append(Stored(id: nextID, values: row))
        owners[table][nextID] = owner
        return .remove(table: table, id: nextID)
    }

    mutating func update(_ index: Int, _ table: Int, to row: Row, by owner: Int) -> Undo {
        let old = tables[table][index]
        tables[table][index].values = row
        owners[table][old.id] = owner
        held[table].append((owner, old.values))
        return .replace(table: table, id: old.id, old.values)
    }

    mutating func delete(_ index: Int, _ table: Int, by owner: Int) -> Undo {
        let old = tables[table].remove(at: index)
        owners[table][old.id] = owner
        held[table].append((owner, old.values))
        return .put(table: table, old)
    }

    mutating func undo(_ undo: Undo) {
        switch undo {
        case .remove(let table, let id): tables[table].removeAll { $0.id == id }
        case .put(let table, let row): tables[table].append(row)
        case .replace(let table, let id, let values):
            guard let index = tables[table].firstIndex(where: { $0.id == id }) else { return }
            tables[table][index].values = values
        }
    }

    /// The transaction has ended; if it committed, what it left of its rows is what everybody sees.
    mutating func end(_ owner: Int, commits: Bool) {
        for table in tables.indices {
            if commits {
                for id in owners[table].filter({ $0.value == owner }).keys {
                    if let old = committed[table][id] { digests[table] &-= hash(old) }
                    let now = tables[table].first { $0.id == id }?.values
                    if let now { digests[table] &+= hash(now) }
                    committed[table][id] = now
                }
            }
            owners[table] = owners[table].filter { $0.value != owner }
            held[table].removeAll { $0.owner == owner }
            if locks[table] == owner { locks[table] = nil }
        }
    }

    /// The committed rows.
    var all: [[Row]] { committed.map { Array($0.values) } }
}
