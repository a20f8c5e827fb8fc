import Postgres
import TestSupport

/// What the source wrote, from its first change to its last: transactions of several sessions at once.
struct SourceLog {
    struct Record {
        enum Kind {
            /// A change of these tables, by a transaction or a part of it.
            case change(part: UInt32, tables: [Int], message: [UInt8])
            case commit(time: Int64)
            case abort
            /// A rollback to a savepoint.
            case abortPart(UInt32)
            /// A logical message outside transactions.
            case message([UInt8])
        }

        let lsn: UInt64
        let end: UInt64
        let xid: UInt32
        let kind: Kind
    }

    /// What was there after a commit.
    struct Commit {
        let end: UInt64
        let digests: [UInt64]
    }

    private(set) var records: [Record] = []
    private(set) var commits: [Commit] = []
    private(set) var rows = SourceRows()
    private(set) var end: UInt64

    static let start: UInt64 = 0x100_0000

    private var random: SeededRandom
    private var sessions: [Session]
    private var nextXID: UInt32 = 700
    private var time: Int64 = 800_000_000_000_000
    private let isHeavy: Bool

    private struct Session {
        struct Savepoint {
            var xid: UInt32?
            var released: [UInt32] = []
            let mark: Int
        }

        var xid: UInt32 = 0
        var left = 0
        var undo: [SourceRows.Undo] = []
        var savepoints: [Savepoint] = []
        var isOpen = false
        var hasChanged = false
    }

    /// So many transactions.
    init(transactions: Int, random: SeededRandom) {
        self.random = random
        end = SourceLog.start
        sessions = Array(repeating: Session(), count: Int(self.random.next() % 3) + 1)
        isHeavy = self.random.next() % 24 == 0
        while commits.count < transactions { step(below(sessions.count)) }
        for session in sessions.indices where sessions[session].isOpen { finish(session, commits: chance(2)) }
    }

    /// The digests of the committed rows at a position.
    func digests(at position: LSN) -> [UInt64] {
        var found = ModelTable.all.map { _ in UInt64(0) }
        for commit in commits {
            guard commit.end <= position.rawValue else { break }
            found = commit.digests
        }
        return found
    }

    private mutating func below(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }
    private mutating func chance(_ one: Int) -> Bool { random.next() % UInt64(one) == 0 }

    private mutating func record(_ xid: UInt32, _ kind: Record.Kind) {
        let lsn = end + UInt64(below(6)) * 8
        end = lsn + 32 + UInt64(below(12)) * 8
        records.append(Record(lsn: lsn, end: end, xid: xid, kind: kind))
    }

    private mutating func step(_ session: Int) {
        if chance(40) {
            record(0, .message(Encoding.message("alone", at: end, isTransactional: false)))
            return
        }
        guard sessions[session].isOpen else { return begin(session) }
        if sessions[session].left <= 0 { return finish(session, commits: !chance(9)) }
        sessions[session].left -= 1
        switch below(22) {
        case 0 where sessions[session].savepoints.count < 3:
            sessions[session].savepoints.append(.init(mark: sessions[session].undo.count))
        case 1, 2: rollBack(session)
        case 3: release(session)
        case 4 where chance(3):
            change(session, [], Encoding.message("it's\nhere", at: end, isTransactional: true))
        case 5 where chance(4): truncate(session)
        case 6, 7: swap(session)
        case 8, 9: enter(session)
        default: changeRow(session, below(ModelTable.ledger))
        }
    }

    private mutating func begin(_ session: Int) {
        nextXID += 1
        let length = chance(8) ? 12 + below(40) : 1 + below(6)
        sessions[session] = Session(xid: nextXID, left: length, isOpen: true)
        enter(session)
    }

    private mutating func finish(_ session: Int, commits: Bool) {
        let xid = sessions[session].xid
        let owner = Int(xid)
        if !commits {
            for undo in sessions[session].undo.reversed() { rows.undo(undo) }
        }
        rows.end(owner, commits: commits)
        sessions[session].isOpen = false
        // What never changed anything leaves nothing in the WAL.
        guard sessions[session].hasChanged else { return }
        guard commits else { return record(xid, .abort) }
        time += Int64(below(2_000_000))
        record(xid, .commit(time: time))
        self.commits.append(Commit(end: end, digests: rows.digests))
    }

    private mutating func rollBack(_ session: Int) {
        guard let savepoint = sessions[session].savepoints.popLast() else { return }
        while sessions[session].undo.count > savepoint.mark {
            if let undo = sessions[session].undo.popLast() { rows.undo(undo) }
        }
        for part in savepoint.released + (savepoint.xid.map { [$0] } ?? []) {
            record(sessions[session].xid, .abortPart(part))
        }
    }

    private mutating func release(_ session: Int) {
        guard let savepoint = sessions[session].savepoints.popLast() else { return }
        guard let last = sessions[session].savepoints.indices.last else { return }
        let parts = savepoint.released + (savepoint.xid.map { [$0] } ?? [])
        sessions[session].savepoints[last].released += parts
    }

    private mutating func change(_ session: Int, _ tables: [Int], _ message: [UInt8]) {
        sessions[session].hasChanged = true
        var part = sessions[session].xid
        if let last = sessions[session].savepoints.indices.last {
            if let known = sessions[session].savepoints[last].xid {
                part = known
            } else {
                nextXID += 1
                part = nextXID
                sessions[session].savepoints[last].xid = part
            }
        }
        record(sessions[session].xid, .change(part: part, tables: tables, message: message))
    }

    private mutating func truncate(_ session: Int) {
        let owner = Int(sessions[session].xid)
        let first = below(ModelTable.all.count)
        let second = below(ModelTable.all.count)
        let wanted = first == second ? [first] : [first, second]
        guard wanted.allSatisfy({ rows.isFree($0, for: owner) }) else { return }
        for table in wanted {
            rows.lock(table, by: owner)
            while !rows.tables[table].isEmpty {
                sessions[session].undo.append(rows.delete(rows.tables[table].count - 1, table, by: owner))
            }
        }
        change(
            session, wanted, Encoding.truncate(wanted.map { ModelTable.all[$0] }, restartsIdentity: chance(2)))
    }

    /// One more line of the ledger. Many are equal.
    private mutating func enter(_ session: Int) {
        let row: Row = ["\(sessions[session].xid % 7)", chance(3) ? nil : "entry"]
        guard rows.fits(row, ModelTable.ledger, besides: nil, for: Int(sessions[session].xid)) else { return }
        insert(session, ModelTable.ledger, row)
    }

    private mutating func insert(_ session: Int, _ table: Int, _ row: Row) {
        sessions[session].undo.append(rows.insert(row, table, by: Int(sessions[session].xid)))
        change(session, [table], Encoding.insert(ModelTable.all[table], row))
    }

    private mutating func update(_ session: Int, _ table: Int, _ index: Int, _ new: Row) {
        let old = rows.tables[table][index].values
        sessions[session].undo.append(rows.update(index, table, to: new, by: Int(sessions[session].xid)))
        change(session, [table], Encoding.update(ModelTable.all[table], from: old, to: new))
    }

    /// Two rows take each other's place, by way of a third.
    private mutating func swap(_ session: Int) {
        let table = 1
        let owner = Int(sessions[session].xid)
        let free = rows.free(table, for: owner)
        guard free.count > 1 else { return changeRow(session, table) }
        let first = free[below(free.count)]
        let second = free[below(free.count)]
        let places = (rows.tables[table][first].values[1], rows.tables[table][second].values[1])
        guard first != second else { return }
        var row = rows.tables[table][first].values
        row[1] = "-\(owner)"
        guard rows.fits(row, table, besides: rows.tables[table][first].id, for: owner) else { return }
        update(session, table, first, row)
        var other = rows.tables[table][second].values
        other[1] = places.0
        update(session, table, second, other)
        row[1] = places.1
        update(session, table, first, row)
    }

    private mutating func changeRow(_ session: Int, _ table: Int) {
        let owner = Int(sessions[session].xid)
        let free = rows.free(table, for: owner)
        let isFull = rows.tables[table].count > 24
        guard !free.isEmpty, isFull || !chance(2) else {
            let row = newRow(table)
            guard !isFull, rows.fits(row, table, besides: nil, for: owner) else { return }
            return insert(session, table, row)
        }
        let index = free[below(free.count)]
        let old = rows.tables[table][index]
        if chance(4) {
            sessions[session].undo.append(rows.delete(index, table, by: owner))
            return change(session, [table], Encoding.delete(ModelTable.all[table], old.values))
        }
        let fresh = newRow(table)
        var new = old.values
        for column in new.indices where chance(ModelTable.all[table].primaryKey.contains(column) ? 6 : 2) {
            new[column] = fresh[column]
        }
        guard rows.fits(new, table, besides: old.id, for: owner) else { return }
        update(session, table, index, new)
    }

    private static let texts: [String?] = [
        nil, "", "x", "a'b", "q\"q", "back\\slash", "line\nbreak", "\r\ttab", "ünï", "NULL", "null", "{a,b}", "\\.",
        " ", "-- no comment", "E'x'; COMMIT;", "\\n",
    ]

    private mutating func newRow(_ table: Int) -> Row {
        let model = ModelTable.all[table]
        return model.columns.indices.map { index -> String? in
            let isKey = model.primaryKey.contains(index) || index == model.unique
            if model.columns[index].type == 23 {
                return !isKey && chance(6) ? nil : "\(below(isKey ? 30 : 5) - (chance(9) ? 8 : 0))"
            }
            if index == model.outOfLine, !isKey, chance(2) { return long() }
            let text = SourceLog.texts[below(SourceLog.texts.count)]
            return isKey ? text ?? "k" : text
        }
    }

    private mutating func long() -> String {
        let unit = SourceLog.texts[2 + below(SourceLog.texts.count - 2)] ?? "y"
        let count = isHeavy && chance(3) ? 10_000 + below(9_000) : 10 + below(40)
        var text = "\(below(1_000))"
        for number in 0..<count {
            text += unit
            if number % 3 == 0 { text += String(random.next() % 10_000) }
        }
        return text
    }
}
