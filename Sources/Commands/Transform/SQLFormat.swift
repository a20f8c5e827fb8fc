import Batches
import LogRendering
import Postgres
import Spool

/// Batches of SQL.
final class SQLFormat: OutputFormat {
    private let log: LogRenderer

    init(_ options: RenderOptions, _ output: any BatchSink) {
        log = LogRenderer(options: options, sink: output)
    }

    var position: LSN { log.renderer.position }
    var reached: LSN { max(log.renderer.position, log.renderer.lastWatermark) }
    var hasReachedEnd: Bool { log.renderer.hasReachedEnd }
    var endMark: (lsn: LSN, reason: String)? { log.endMark }

    var summary: String {
        let counts = log.renderer.statistics
        return "\(counts.transactions) transactions, \(counts.changes) changes in \(counts.batches) batches"
    }

    func consume(_ chunk: Chunk) throws { try log.consume(chunk) }
    func inputIdle() throws { try log.renderer.inputIdle() }

    func end(at position: LSN, reason: String) throws {
        try log.renderer.end(at: position, reason: reason)
    }
}
