import Failpoints
import Logging
import Postgres
import Threading

/// The session with the target and, for the first of several, the position that it holds; opened again when it is lost.
final class TargetLink {
    private let target: ConnectionString
    private let options: ApplyOptions
    private let stop: StopRequest?
    private let logger: Logger
    private var encoding = "UTF8"
    private var opened: TargetSession?
    /// How the position was taken; nil for a lane beside the first, which has none of its own.
    private var claim: TargetPosition.Claim?
    /// The position, while there is a connection.
    private(set) var position: TargetPosition?

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
        return opened.connection
    }

    /// Opens the session for text in `encoding` alone.
    func open(encoding: String) throws(ApplyError) {
        self.encoding = encoding
        opened = try TargetSession(
            target, encoding: encoding, synchronousCommit: options.synchronousCommit,
            usesReplicaRole: options.usesReplicaRole, logger: logger)
    }

    /// Opens the session for text in `encoding` and takes the position. Returns it.
    func open(encoding: String, _ claim: TargetPosition.Claim) throws(ApplyError) -> LSN {
        try open(encoding: encoding)
        if !options.usesReplicaRole { try TargetCheck(connection: try connection(), logger: logger).refuseActing() }
        let wait = PositionWait(seconds: options.positionWaitSeconds, stop: stop, logger: logger)
        let taken = try TargetPosition(claim, try connection(), wait: wait)
        position = taken
        self.claim = claim
        return try taken.position()
    }

    /// Ends the session.
    func close() {
        position = nil
        opened = nil
    }

    /// Statements are sent when they reach this many bytes. While the results of a string are on their way to us and the
    /// next string to the target, the target has nothing to do; so on a long way there are fewer and longer ones.
    var sendBytes: Int {
        let perMillisecond = 256 << 10
        let most = 4 << 20
        let wanted = min(most / perMillisecond, opened?.roundTripMilliseconds ?? 0) * perMillisecond
        return max(options.sendBytes, wanted)
    }

    /// The target's position, durable and read from it now; nil while there is no connection.
    func durablePosition() throws(ApplyError) -> LSN? { try position?.position() }

    /// Opens the session again after `failure`, with growing pauses, for as long as it takes. Returns the target's
    /// position, which after a crash of the target may lie before the one that was seen last.
    ///
    /// - Throws: an error that trying again does not fix; `failure` itself when a stop is asked for meanwhile.
    func reopen(after failure: ApplyError, _ backoff: inout Backoff) throws(ApplyError) -> LSN {
        // What the changes come from now; and a position that is gone is not to be made again.
        if let position { claim?.source = position.source }
        claim?.start = nil
        guard let claim else { throw failure }
        // The old session must release the position first.
        close()
        Failpoint.beforeReconnect.reach()
        var last = failure
        while true {
            let pause = backoff.next()
            logger.warning("\(last); connecting again in \(pause) ms")
            _ = Polling.wait(stop?.descriptor ?? -1, until: .after(milliseconds: pause))
            if stop?.isRequested == true { throw failure }
            do throws(ApplyError) {
                let position = try open(encoding: encoding, claim)
                logger.info(
                    "connected to the target again",
                    metadata: ["stream": "\(claim.stream)", "position": "\(position)"])
                Failpoint.afterReconnect.reach()
                return position
            } catch {
                guard error.isTransient else { throw error }
                last = error
            }
        }
    }
}

extension ApplyError {
    /// Trying again, on a new connection if need be, can succeed without anything being fixed.
    var isTransient: Bool { !isFinal && (code == .connectionLost || code == .conflict) }

    /// The statement was cancelled.
    var isCancelled: Bool { cause?.sqlState == .queryCanceled }

    /// The server refused what a batch says, or it had another effect than expected.
    var isRefusal: Bool { code == .constraint || code == .rowCountMismatch || code == .server }
}
