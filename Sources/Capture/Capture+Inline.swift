import Threading

// The disk's part without a thread of its own, for tests that decide which of the two is how far.
extension Capture {
    /// Opens the log's segment on the calling thread, instead of ``run()``.
    package func beginInline() throws {
        inline = try writer.begin()
    }

    /// Does one step of the disk's part. False when it has nothing to do.
    package func stepInline() throws -> Bool {
        guard var state = inline else { return false }
        inline = nil
        defer { inline = state }
        return try writer.step(&state)
    }

    /// Steps that wait for the disk.
    package var waitingSteps: Int { writer.commandCount }

    /// Waits until the disk's part has ended.
    func joinWriter() throws {
        worker?.join()
        while try stepInline() {}
    }
}
