import Threading

/// Who does the disk's part of a capture.
enum DiskPart {
    case nobody
    /// A thread of its own.
    case thread(Worker)
    /// The capture's own thread, for tests that decide which of the two is how far.
    case inline(LogWriter.State)
}

extension Capture {
    /// Opens the log's segment on the calling thread, instead of ``run()``.
    package func beginInline() throws {
        disk = .inline(try writer.begin())
    }

    /// Does one step of the disk's part. False when it has nothing to do.
    package func stepInline() throws -> Bool {
        guard case .inline(var state) = disk else { return false }
        disk = .nobody
        defer { disk = .inline(state) }
        return try writer.step(&state)
    }

    /// Steps that wait for the disk.
    package var waitingSteps: Int { writer.commandCount }

    /// Waits until the disk's part has ended.
    func joinWriter() throws {
        if case .thread(let worker) = disk { worker.join() }
        while try stepInline() {}
    }
}
