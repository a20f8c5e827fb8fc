import Threading

/// Where a reader gets chunks from: a spool, files, or a pipe.
public protocol ChunkSource: AnyObject {
    /// The next chunk, without waiting for more to be written to a spool. A pipe may block in the middle of a frame.
    func next() throws(SpoolError) -> ChunkStep

    /// Waits until there may be more to read, `stop` is requested or `deadline` has come.
    func wait(_ stop: StopRequest, until deadline: Deadline)
}

/// What a ``ChunkSource`` has to give.
public enum ChunkStep {
    /// Whole records.
    case chunk(Chunk)
    /// Nothing at present; more may come.
    case idle
    /// Nothing will come any more. Whether that is right shows in the last record: an end record or not.
    case finished
}
