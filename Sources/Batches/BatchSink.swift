import Postgres

/// Takes the text of batches: a file, a pipe, or memory.
public protocol BatchSink: AnyObject {
    /// The stream begins: its preamble comes first.
    func begin(_ preamble: BatchPreamble) throws
    /// Appends the bytes; they are not valid after the call.
    func write(_ bytes: UnsafeRawBufferPointer) throws
    /// Makes what was written visible to the reader.
    func flush() throws
    /// Says that no batch is open, and that what was written takes a target to `end`.
    func completed(to end: LSN) throws
}

extension BatchSink {
    /// Writes the preamble's text.
    public func begin(_ preamble: BatchPreamble) throws {
        try preamble.withText { try write($0) }
    }

    /// Does nothing: most sinks do not care where batches end.
    public func completed(to end: LSN) {}
}
