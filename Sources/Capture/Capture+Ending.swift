import Logging
import Postgres
import Spool
import Threading

// How a capture comes to its end.
extension Capture {
    /// Does what it takes to come to the end, where the source is idle.
    func approachEnd(_ stream: some ChangeStream) throws {
        switch goal.step(.now) {
        case .nothing: break
        case .endHere: try endHere(stream)
        case .nudge: try nudge(stream)
        }
    }

    /// With `--until-idle`: the end is where the source's WAL ends now. What it still decodes, or what commits meanwhile,
    /// lies before that position and is waited for.
    private func endHere(_ stream: some ChangeStream) throws {
        guard isBetweenTransactions || options.spool == nil,
            // What has come may not have been read yet, after a wait for the disk or a sleep of the whole machine.
            !Polling.wait(stream.socket, until: .now).first
        else { return goal.heard(.now) }
        let position = try source.currentPosition()
        logger.info("the source is idle; ending at \(position)")
        assembler.end(at: position)
        goal.ends(at: position, .now)
        try sendStatus(stream, replyRequested: true)
    }

    private func nudge(_ stream: some ChangeStream) throws {
        guard !assembler.isInTransaction else { return goal.heard(.now) }
        goal.wasNudged()
        logger.info("the source is idle before the end position; nudging it with a logical message")
        do {
            try source.nudge()
        } catch {
            logger.warning("cannot nudge the source: \(error)")
        }
        try sendStatus(stream, replyRequested: true)
    }

    /// Writes the end record, seals the log and acknowledges all of it.
    package func complete(_ stream: (some ChangeStream)?) throws -> Outcome {
        let last = try waitForBuffer()
        assembler.appendEnd(reason: "endpos", into: last)
        chunk.reached(assembler.position, .now)
        submit()
        try close(stream, seals: true)
        return .reachedEnd(assembler.position)
    }

    /// Makes durable what is whole; an unfinished transaction is cut when the log is opened again.
    package func interrupt(_ stream: some ChangeStream) throws -> Outcome {
        submit()
        try close(stream, seals: false)
        return .stopped(options.spool == nil ? assembler.position : writer.durablePosition)
    }

    func waitForBuffer() throws -> ChunkBuffer {
        while true {
            if let buffer = try takeBuffer() { return buffer }
            _ = Polling.wait(wake.readDescriptor, until: .after(milliseconds: 1_000))
            wake.drain()
        }
    }

    func close(_ stream: (some ChangeStream)?, seals: Bool) throws {
        writer.finish(seals: seals)
        try joinWriter()
        try writer.checkFailure()
        guard let stream else { return }
        try sendStatus(stream)
        stream.finish()
        // The server reads the status before it sees the end of the copy; its answer proves both.
        let patience = Deadline.after(milliseconds: 2_000)
        while !patience.hasPassed {
            switch try? stream.next() {
            case .ended, nil: return
            case .nothing:
                guard Polling.wait(stream.socket, until: patience).first, (try? stream.readSocket()) != nil else {
                    return
                }
            case .data, .keepalive: continue
            }
        }
    }
}
