import Logging
import Postgres
import Synchronization
import Threading

/// Follows the durable position of a stream on the target, on a thread of its own.
///
/// Without a spool nothing on this side is durable, so only what the target has may be acknowledged to the source.
final class TargetAcknowledger: Sendable {
    private let value: Atomic<UInt64>
    private let stopping = StopRequest()
    private let wake: WakePipe
    private let stream: String
    private let source: ProgressSource
    private let string: ConnectionString
    private let logger: Logger

    init(
        _ string: ConnectionString, stream: String, source: ProgressSource, from position: LSN, wake: WakePipe,
        logger: Logger
    ) throws {
        value = Atomic(position.rawValue)
        self.string = string
        self.source = source
        self.stream = stream
        self.wake = wake
        self.logger = logger
        _ = try Worker.launch(name: "acknowledger") { self.run() }
    }

    /// The last position read.
    var position: LSN { LSN(rawValue: value.load(ordering: .acquiring)) }

    func stop() { stopping.request() }

    private func run() {
        var connection: Connection?
        while !stopping.isRequested {
            do {
                let session = try connection ?? Connection(string, applicationName: "walrelay receive")
                connection = session
                try read(session)
            } catch {
                // Not knowing only delays acknowledgements; the source keeps its WAL meanwhile.
                logger.warning("cannot read the target's position: \(error)")
                connection = nil
            }
            _ = Polling.wait(stopping.descriptor, until: .after(milliseconds: 1_000))
        }
    }

    private func read(_ session: Connection) throws {
        guard let row = try session.progressRows(stream).first(where: { $0.lane == 0 }), !row.isUnclaimed else {
            return
        }
        guard row.conflict(with: source) != .source else {
            throw PostgresError(
                .unexpectedAnswer,
                "the position \(Quoting.identifier(stream)) is of another source; nothing is acknowledged",
                doing: "reading the target's position")
        }
        guard let position = try session.durablePosition(stream), position > self.position else { return }
        value.store(position.rawValue, ordering: .releasing)
        wake.wake()
    }
}
