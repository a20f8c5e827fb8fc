import Catalog
import Postgres
import Threading

/// Measures how far the target is behind, by messages of its own in the source's WAL. Lives on one thread.
///
/// Positions alone would not do: the target's moves with commits, so that on an idle source it stays where it is. A small
/// message each time is something to pass; when it was passed says how old is what the target has, by one clock.
final class LagProbe {
    private let source: Connection
    private let target: Connection
    private let stream: String
    private var waiting: [(position: LSN, since: Deadline)] = []
    private var isKnown = false
    private var hasPosition = false
    /// Older messages need not be remembered one by one.
    private static let waitingMax = 10_000

    init(_ options: CloneOptions) throws {
        source = try SourceFence.connect(options.source)
        target = try Connection(options.target, applicationName: DatabaseSession.applicationName)
        stream = options.stream
    }

    /// The lag at this moment.
    func look() throws -> Lag {
        let doing = "measuring the lag"
        let since = Deadline.now
        let message = try source.execute(
            "SELECT pg_catalog.pg_logical_emit_message(true, 'walrelay', 'lag')", doing: doing)
        let end = try source.currentPosition(doing: doing)
        guard let position = message.text(0, 0).flatMap({ LSN($0) }) else {
            throw PostgresError(.unexpectedAnswer, "the answer cannot be read", doing: doing)
        }
        if waiting.count < Self.waitingMax { waiting.append((position, since)) }
        let found = try target.committedPosition(stream, isKnown: hasPosition)
        hasPosition = found != nil
        let reached = found ?? .zero
        if let first = waiting.first, first.position <= reached { isKnown = true }
        waiting.removeAll { $0.position <= reached }
        let seconds = waiting.first.map { Deadline.now.seconds(since: $0.since) }
        return Lag(
            bytes: end.rawValue - min(end.rawValue, reached.rawValue), seconds: isKnown ? seconds ?? 0 : nil)
    }
}
