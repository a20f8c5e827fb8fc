import Catalog
import Copying
import Postgres
import Spool
import Synchronization
import Threading

/// What several threads have copied so far; keeps the journal up to it.
final class CopiedParts: Sendable {
    private struct State {
        var journal: CloneJournal
        var nextWrite = Deadline.now
        var begun: [UInt32: Deadline] = [:]
        var rest: [UInt32: (parts: Int, rows: Int, bytes: Int)] = [:]
    }

    private let state: Mutex<State>
    private let spool: SpoolDirectory
    private let after: LSN?
    /// A table that is not in the journal is copied again, so that not each need be written at once.
    private static let writeEveryMilliseconds = 1000

    /// - Parameter after: where the copy's snapshot is, when that is another one than the journal's.
    init(_ journal: CloneJournal, _ spool: SpoolDirectory, after: LSN?) {
        state = Mutex(State(journal: journal))
        self.spool = spool
        self.after = after
    }

    /// The tables that are whole.
    var tables: [CloneJournal.Table] { state.withLock { $0.journal.tables } }

    /// A part is begun.
    func begin(_ part: CopyPart) {
        state.withLock { state in
            if state.begun[part.table.oid] == nil { state.begun[part.table.oid] = Deadline.now }
        }
    }

    /// A part is durably on the target.
    ///
    /// - Returns: the table, when this was the last of its parts.
    func finish(_ part: CopyPart, rows: Int, bytes: Int) throws -> CloneJournal.Table? {
        try state.withLock { state in
            let oid = part.table.oid
            var sum = state.rest[oid] ?? (part.count, 0, 0)
            sum = (sum.parts - 1, sum.rows + rows, sum.bytes + bytes)
            state.rest[oid] = sum
            guard sum.parts == 0, let begun = state.begun[oid] else { return nil }
            let table = CloneJournal.Table(
                name: part.table.name, rows: sum.rows, bytes: sum.bytes, seconds: begun.seconds, after: after)
            state.journal.tables.append(table)
            if state.nextWrite.hasPassed {
                try state.journal.write(spool)
                state.nextWrite = .after(milliseconds: Self.writeEveryMilliseconds)
            }
            return table
        }
    }
}
