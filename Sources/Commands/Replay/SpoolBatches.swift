import Apply
import Batches
import CommandSupport
import LogRendering
import Postgres
import Spool
import Threading

/// The spool as the log that batches are written again from.
final class SpoolBatches: BatchLog {
    private let path: String
    private let stop: StopRequest

    init(_ path: String, stop: StopRequest) {
        self.path = path
        self.stop = stop
    }

    func batches(from: LSN, to: LSN, order: BatchPreamble.Order, origin: String) throws -> any ByteSource {
        let options = RenderOptions(
            order: order, origin: origin, from: from, to: to, tool: Program.tool)
        return try RenderedRange(spool: path, options: options, stop: stop)
    }
}
