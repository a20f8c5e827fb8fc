import Batches
import LogRendering
import Postgres
import Spool

/// Batches of SQL, rendered on several threads.
final class ParallelSQLFormat: OutputFormat {
    private let log: ParallelRenderer

    init(_ options: RenderOptions, jobs: Int, _ output: any BatchSink) throws {
        log = try ParallelRenderer(options: options, jobs: jobs, sink: output)
    }

    var position: LSN { log.position }
    var reached: LSN { max(log.position, log.lastWatermark) }
    var hasReachedEnd: Bool { log.hasReachedEnd }
    var endMark: (lsn: LSN, reason: String)? { log.endMark }
    var summary: String { log.statistics.summary }

    func consume(_ chunk: Chunk) throws { try log.consume(chunk) }
    func inputIdle() {}
    func end(at position: LSN, reason: String) throws { try log.end(at: position, reason: reason) }
    func finish() throws { try log.finish() }
}
