import Failpoints
import Logging
import Postgres
import Threading

/// The session with the target and the replication origin that it holds; opened again when it is lost.
final class TargetLink {
    private let target: ConnectionString
    private let options: ApplyOptions
    private let stop: StopRequest?
    private let logger: Logger
    private var encoding = "UTF8"
    private var originName = ""
    private var opened: (session: TargetSession, progress: any TargetProgress)?

    init(_ target: ConnectionString, options: ApplyOptions, stop: StopRequest?, logger: Logger) {
        self.target = target
        self.options = options
        self.stop = stop
        self.logger = logger
    }

    var isOpen: Bool { opened != nil }

    /// The connection, while there is one.
    func connection() throws(ApplyError) -> Connection {
        guard let opened else {
            throw ApplyError(.malformedInput, "a batch comes before any preamble; write it again with transform")
        }
        return opened.session.connection
    }

    /// Opens the session for text in `encoding` and takes the origin. Returns the target's position.
    func open(encoding: String, origin: String) throws(ApplyError) -> LSN? {
        self.encoding = encoding
        originName = origin
        let session = try TargetSession(
            target, encoding: encoding, synchronousCommit: options.synchronousCommit, logger: logger)
        let taken = try ProgressChoice(session.connection, name: origin).take(options, stop: stop, logger: logger)
        opened = (session, taken)
        return try taken.position()
    }

    /// Ends the session.
    func close() {
        opened = nil
    }

    /// Statements are sent when they reach this many bytes. While the results of a string are on their way to us and the
    /// next string to the target, the target has nothing to do; so on a long way there are fewer and longer ones.
    var sendBytes: Int {
        let perMillisecond = 256 << 10
        let most = 4 << 20
        let wanted = min(most / perMillisecond, opened?.session.roundTripMilliseconds ?? 0) * perMillisecond
        return max(options.sendBytes, wanted)
    }

    /// Where the position is kept, while there is a connection.
    var progress: (any TargetProgress)? { opened?.progress }

    /// The target's position, durable and read from it now.
    func position() throws(ApplyError) -> LSN? {
        guard let opened else { return nil }
        return try opened.progress.position()
    }

    /// Opens the session again after `failure`, with growing pauses, for as long as it takes. Returns the target's
    /// position, which after a crash of the target may lie before the one that was seen last.
    ///
    /// - Throws: an error that trying again does not mend; `failure` itself when a stop is asked for meanwhile.
    func reopen(after failure: ApplyError) throws(ApplyError) -> LSN? {
        // The old session must let go of the origin first.
        opened = nil
        Failpoint.beforeReconnect.reach()
        var backoff = Backoff()
        var last = failure
        while true {
            let pause = backoff.next()
            logger.warning("\(last); connecting again in \(pause) ms")
            _ = Polling.wait(stop?.descriptor ?? -1, until: .after(milliseconds: pause))
            if stop?.isRequested == true { throw failure }
            do throws(ApplyError) {
                let position = try open(encoding: encoding, origin: originName)
                logger.info(
                    "connected to the target again",
                    metadata: ["origin": "\(originName)", "position": "\(position?.description ?? "none")"])
                Failpoint.afterReconnect.reach()
                return position
            } catch {
                guard error.isPassing else { throw error }
                last = error
            }
        }
    }
}

extension ApplyError {
    /// Trying again, on a new connection if need be, can succeed without anything being mended.
    var isPassing: Bool { code == .connectionLost || code == .conflict }

    /// The server refused what a batch says, or it had another effect than expected.
    var isRefusal: Bool { code == .constraint || code == .rowCountMismatch || code == .server }
}
