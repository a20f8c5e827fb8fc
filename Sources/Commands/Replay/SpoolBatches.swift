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

    func batches(_ range: BatchRange) throws -> any ByteSource {
        var options = RenderOptions(
            order: range.order, origin: range.origin, from: range.from, to: range.to, lanes: range.lanes,
            tool: Program.tool)
        if let maxBytes = range.maxBytes { options.maxBytes = maxBytes }
        return try RenderedRange(spool: path, options: options, stop: stop)
    }
}
