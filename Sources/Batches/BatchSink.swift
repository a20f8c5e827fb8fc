/// Takes the text of batches: a file, a pipe, or memory.
public protocol BatchSink: AnyObject {
    /// Appends the bytes; they are not valid after the call.
    func write(_ bytes: UnsafeRawBufferPointer) throws
    /// Makes what was written visible to the reader.
    func flush() throws
}
