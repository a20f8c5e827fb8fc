import Synchronization
import Threading

/// What several threads have copied so far.
final class CopiedParts: Sendable {
    private struct State {
        var tables: [CloneJournal.Table] = []
        var begun: [UInt32: Deadline] = [:]
        var rest: [UInt32: (parts: Int, rows: Int, bytes: Int)] = [:]
    }

    private let state = Mutex(State())

    /// The tables that are whole.
    var tables: [CloneJournal.Table] { state.withLock { $0.tables } }

    /// A part is begun.
    func begin(_ part: CopyPart) {
        state.withLock { state in
            if state.begun[part.table.oid] == nil { state.begun[part.table.oid] = Deadline.now }
        }
    }

    /// A part is on the target.
    ///
    /// - Returns: the table, when this was the last of its parts.
    func finish(_ part: CopyPart, rows: Int, bytes: Int) -> CloneJournal.Table? {
        state.withLock { state in
            let oid = part.table.oid
            var sum = state.rest[oid] ?? (part.count, 0, 0)
            sum = (sum.parts - 1, sum.rows + rows, sum.bytes + bytes)
            state.rest[oid] = sum
            guard sum.parts == 0, let begun = state.begun[oid] else { return nil }
            let table = CloneJournal.Table(
                name: part.table.name, rows: sum.rows, bytes: sum.bytes, seconds: begun.seconds)
            state.tables.append(table)
            return table
        }
    }
}
