import Apply
import Audit
import Batches
import CommandSupport
import LogRendering
import PgOutput
import Postgres
import Spool
import Threading

/// The spool as the log that batches are written again from.
final class SpoolBatches: BatchLog {
    private let path: String
    private let tables: TableRules
    private let stop: StopRequest

    init(_ path: String, tables: TableRules, stop: StopRequest) {
        self.path = path
        self.tables = tables
        self.stop = stop
    }

    func batches(_ range: BatchRange) throws -> any ByteSource {
        var options = RenderOptions(
            order: range.order, stream: range.stream, logID: try SpoolDirectory(path).identity()?.logID,
            from: range.from, to: range.to, tables: tables,
            lanes: range.lanes, tool: Program.tool)
        if let maxBytes = range.maxBytes { options.maxBytes = maxBytes }
        if range.isSplit { options.maxChanges = 1 }
        return try RenderedRange(spool: path, options: options, stop: stop)
    }

    func transaction(endingAt end: LSN, after from: LSN) throws -> LoggedTransaction? {
        let range = LogRange(from: .position(from), to: .position(end))
        let reader = try RangeReader(path: path, range: range)
        var walker = LogWalker(range: range)
        var found = LoggedTransaction(previousEnd: from, end: .zero, committedAt: "", changes: 0, tables: [])
        let layouts = walker.layouts
        var seen: Set<UInt32> = []
        while found.end < end {
            guard case .chunk(let chunk, let role) = try reader.next() else { return nil }
            try walker.take(chunk, role) { event in
                guard found.end < end else { return }
                switch event {
                case .begin:
                    // The one before it was not the one.
                    if found.end > .zero { found.previousEnd = found.end }
                    (found.changes, found.tables) = (0, [])
                    seen.removeAll()
                case .change(let message, _, _, _):
                    found.changes += 1
                    for id in message.relations where seen.insert(id).inserted {
                        guard let relation = layouts.relation(id) else { continue }
                        found.tables.append(Quoting.qualified(relation.namespace, relation.name))
                    }
                case .commit(let commit, _):
                    found.end = commit.endLSN
                    found.committedAt = commit.commitTime.description
                default: break
                }
            }
            if walker.isPast { reader.skipSegment() }
        }
        return found.end == end ? found : nil
    }
}

extension Message {
    /// The tables that a change is about.
    fileprivate var relations: [UInt32] {
        switch self {
        case .insert(let relation, _), .update(let relation, _, _), .delete(let relation, _): [relation]
        case .truncate(let truncate): truncate.relations
        default: []
        }
    }
}
