import CommandSupport
import Postgres
import Spool

/// Where the source's WAL ends, as `receive` wrote it to the spool's state.
enum SourcePosition {
    /// The part of `state/receive.json` that says so.
    private struct Seen: Decodable {
        var server: LSN?
        var received: LSN?
    }

    /// Nil when `receive` has not said it.
    static func last(in spool: SpoolDirectory) -> LSN? {
        guard let bytes = try? spool.state("receive.json"),
            let seen = try? bytes.withUnsafeBytes({
                try JSON.decode($0, what: "the status", file: "receive.json") as Seen
            })
        else { return nil }
        guard let server = seen.server else { return seen.received }
        return max(server, seen.received ?? .zero)
    }
}
