import Capture
import Logging
import Postgres
import Spool
import TestSupport
import Threading

/// The real capture between the model of a source and the simulated disk, without threads: whoever calls decides how far
/// the network, the capture and the disk are.
final class ReceiveStage {
    private let capture: Capture
    let stream: ModelStream
    private let stop = StopRequest()
    private(set) var isComplete = false

    /// Opens the spool as a new process does, and asks the source for what comes after the log's end.
    init(
        _ spool: SpoolDirectory, _ source: ModelSource, end: LSN?, segmentSize: UInt64, streaming: Bool,
        _ random: inout SeededRandom
    ) throws {
        var options = CaptureOptions(
            source: try ConnectionString("host=simulated"), slot: "sim", publications: ["sim"], tool: "simulated")
        options.spool = spool
        options.segmentSize = segmentSize
        options.segmentAge = random.next() % 4 == 0 ? 1 : 0
        options.statusInterval = 1
        options.syncInterval = [0, 20, 200][Int(random.next() % 3)]
        options.silenceLimit = 0
        options.streaming = streaming
        if let end { options.end = .at(end) }
        let logger = Logger(label: "simulated") { _ in SwiftLogNoOpLogHandler() }
        capture = try Capture(options, source.described, logger: logger, stop: stop)
        stream = ModelStream(
            source, from: capture.position, streams: streaming && source.serverVersion >= 140_000,
            random: SeededRandom(seed: random.next()))
        if capture.isComplete {
            isComplete = true
        } else {
            try capture.beginInline()
            if capture.isAtEnd { try finish() }
        }
    }

    private func finish() throws {
        _ = try capture.complete(stream)
        isComplete = true
    }

    /// Takes in what has arrived.
    func turn() throws {
        guard !isComplete else { return }
        // With threads the capture would wait here for the disk.
        while capture.waitingSteps > 2 { _ = try capture.stepInline() }
        if try capture.turn(stream) { try finish() }
    }

    /// Does one step of the disk's part.
    func write() throws {
        guard !isComplete else { return }
        _ = try capture.stepInline()
    }

    /// Ends in good order, as on SIGTERM.
    func interrupt() throws {
        stop.request()
        guard !isComplete else { return }
        while capture.waitingSteps > 2 { _ = try capture.stepInline() }
        _ = try capture.interrupt(stream)
    }

    /// Asks for a stop, which ends a wait for space.
    func requestStop() { stop.request() }
}
