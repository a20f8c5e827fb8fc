import Observability
import Batches
import LogRendering
import Postgres
import Spool

extension RenderStatistics {
    /// The counts in words.
    var summary: String {
        "\(Figures.counted(transactions, "transaction")), \(Figures.counted(changes, "change")) in "
            + Figures.counted(batches, "batch", plural: "batches")
    }
}

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

    var summary: String { log.renderer.statistics.summary }

    func consume(_ chunk: Chunk) throws { try log.consume(chunk) }
    func inputIdle() throws { try log.renderer.inputIdle() }
    func readerIdle() throws { try log.renderer.readerIdle() }

    func end(at position: LSN, reason: String) throws {
        try log.renderer.end(at: position, reason: reason)
    }
}
