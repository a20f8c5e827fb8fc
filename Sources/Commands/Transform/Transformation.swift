import Batches
import CommandSupport
import Logging
import Observability
import Postgres
import Spool
import Threading

/// Moves records from the inputs to the renderer until the end.
final class Transformation {
    private let inputs: TransformInputs
    private let options: RenderOptions
    private let logger: Logger
    private let stop: StopRequest
    private let sink: any TransformOutput
    private let format: any OutputFormat

    init(
        _ inputs: TransformInputs, _ format: any OutputFormat, _ output: any TransformOutput, options: RenderOptions,
        logger: Logger, stop: StopRequest
    ) {
        self.inputs = inputs
        self.options = options
        self.logger = logger
        self.stop = stop
        sink = output
        self.format = format
    }

    func run() throws {
        do {
            try readAll()
            try sink.finish()
        } catch let failure as ProgramFailure where failure.exitStatus == .inputOutput {
            // The reader ends on the same signal, and perhaps sooner.
            guard stop.isRequested(by: .after(milliseconds: 500)) else { throw failure }
            logger.info("stopped; what the reader has not taken can be written again")
            try checkStoppedBeforeEnd()
        } catch {
            // What could be rendered is of use to the reader, and the reason is told after it.
            try? format.finish()
            try? sink.finish()
            throw error
        }
    }

    private func readAll() throws {
        for open in inputs.sources {
            let source = try open()
            guard try read(source) else { return try interrupted() }
            if format.hasReachedEnd { break }
        }
        try finish()
    }

    /// Reads one input to its end, or to the wanted end. False when asked to stop.
    private func read(_ source: any ChunkSource) throws -> Bool {
        while !stop.isRequested {
            switch try source.next() {
            case .chunk(let chunk):
                try format.consume(chunk)
                if format.hasReachedEnd { return true }
                if sink.isWaiting { try format.readerIdle() }
            case .idle:
                // Without anything to write, only a look tells that the program behind is gone.
                try sink.checkReader()
                // While the reader is busy with what it has, the next batch may grow.
                let isWanted = sink.isWaiting
                if isWanted {
                    try format.inputIdle()
                    try sink.inputIdle()
                }
                source.wait(stop, until: isWanted ? .after(milliseconds: 2_000) : sink.nextLook)
            case .finished:
                return true
            }
        }
        return false
    }

    private func finish() throws {
        try checkStart()
        if let to = options.to {
            guard format.hasReachedEnd else {
                try format.inputIdle()
                try format.finish()
                throw ProgramFailure(
                    .incomplete,
                    "the log ends at \(reached), before --to \(to); with --follow transform waits for the rest")
            }
            return try end(at: to, reason: "to")
        }
        if let endMark = format.endMark { return try end(at: endMark.lsn, reason: endMark.reason) }
        if inputs.openEnd == .suspicious {
            try format.inputIdle()
            throw ProgramFailure(
                .incomplete,
                "standard input ended at \(reached) without an end record: its writer was interrupted, or it is a part "
                    + "of a log. What came was written; run the pipeline again to continue")
        }
        try end(at: reached, reason: "input-end")
    }

    private var reached: LSN { format.reached }

    /// A log that nobody follows must reach at least to where it is to be written from. That it does shows for nothing
    /// when something after that was read; only otherwise the log is asked for its end.
    private func checkStart() throws {
        guard let from = options.from, reached <= from, let end = try format.endMark?.lsn ?? inputs.end(),
            !from.isCovered(by: end)
        else { return }
        throw ProgramFailure(
            .gap,
            "the log ends at \(end), before \(from), where it is to be written from: nothing was written. Is it the log "
                + "that the target had until \(from)? If receive still writes to it, add --follow to wait for the rest")
    }

    private func end(at position: LSN, reason: String) throws {
        try format.end(at: position, reason: reason)
        logger.info("wrote \(format.summary), up to \(position)")
    }

    private func interrupted() throws {
        try format.inputIdle()
        try format.finish()
        try sink.finish()
        logger.info("stopped; everything up to \(format.position) is written")
        try checkStoppedBeforeEnd()
    }

    private func checkStoppedBeforeEnd() throws {
        guard options.to == nil else {
            throw ProgramFailure(.incomplete, "stopped at \(format.position), before --to")
        }
    }
}
