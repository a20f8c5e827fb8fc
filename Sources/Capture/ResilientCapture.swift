import Logging
import Observability
import Postgres
import Spool
import Threading

/// A capture that outlives its connection: after a restart of the source, a terminated walsender or a cut network it
/// connects again, with growing pauses, and continues where the log ends.
///
/// Each attempt opens the spool again, just as a new process would, so that there is one way to resume and not two.
public final class ResilientCapture {
    private var options: CaptureOptions
    private let logger: Logger
    private let stop: StopRequest
    private let source: Source?

    /// Milliseconds for which a slot may be in use at the start: the source takes a moment to see that a receive that
    /// was killed is gone.
    static let slotPatience = 3_000

    /// A capture with the given options; connects when it is run.
    ///
    /// - Parameter source: the session that holds a temporary slot; the capture then ends with it.
    public init(_ options: CaptureOptions, source: Source? = nil, logger: Logger, stop: StopRequest) {
        self.options = options
        self.source = source
        if source != nil { self.options.reconnects = false }
        self.logger = logger
        self.stop = stop
    }

    /// Streams until the end position, a stop request or an error that connecting again does not fix.
    ///
    /// - Throws: what ``Capture`` throws. The first connection is not retried: a wrong address is a mistake to report.
    public func run() throws -> Capture.Outcome {
        let keeper = options.spool.map { SpoolKeeper($0, options.keeper, logger: logger) }
        var worker: Worker?
        defer {
            keeper?.stop()
            worker?.join()
        }
        let outcome = try run {
            // Only now is it known that the spool is this source's.
            if worker == nil { worker = try keeper?.start() }
        }
        if case .reachedEnd = outcome {
            keeper?.finish()
            while let worker, !worker.join(until: .after(milliseconds: 200)), !stop.isRequested {}
        }
        return outcome
    }

    private func run(_ opened: () throws -> Void) throws -> Capture.Outcome {
        var backoff = Backoff()
        var wasConnected = false
        let slotPatience = Deadline.after(milliseconds: Self.slotPatience)
        while true {
            do {
                let capture = try Capture(options, source: source, logger: logger, stop: stop)
                wasConnected = true
                backoff = Backoff()
                try opened()
                // "current" means the position at the first start.
                if let end = capture.end { options.end = .at(end) }
                return try capture.run()
            } catch let error as CaptureError
                where error.code == .slotActive && !wasConnected && !slotPatience.hasPassed && !stop.isRequested
            {
                _ = Polling.wait(stop.descriptor, until: .after(milliseconds: 100))
            } catch let error as CaptureError where error.code == .sourceBehind && stop.isRequested {
                // It was waiting for a standby.
                return .stopped(try options.spool?.end() ?? .zero)
            } catch  where stop.isRequested && Self.isTransient(error) {
                // What it waited for may have been cancelled for the sake of the stop.
                return .stopped(try options.spool?.end() ?? .zero)
            } catch  where wasConnected && options.reconnects && Self.isTransient(error) && !stop.isRequested {
                let pause = backoff.next()
                logger.warning("\(error); connecting again in \(Figures.tenths(Double(pause) / 1000)) s")
                _ = Polling.wait(stop.descriptor, until: .after(milliseconds: pause))
                if stop.isRequested { return .stopped(try options.spool?.end() ?? .zero) }
            }
        }
    }

    /// True for what a source that is coming back fixes by itself.
    static func isTransient(_ error: any Error) -> Bool {
        switch error {
        case let error as PostgresError:
            switch error.code {
            case .connectionLost, .cannotConnect: true
            case .server: error.sqlState == .adminShutdown || error.sqlState?.errorClass == "57"
            case .invalidConnectionString, .unexpectedAnswer, .untrusted: false
            }
        case let error as CaptureError:
            // The walsender of the lost connection may hold the slot until it notices.
            error.code == .streamEnded || error.code == .slotActive
        default:
            false
        }
    }
}
