import Postgres
import Spool

/// Turns the log's records into text of one format.
protocol OutputFormat: AnyObject {
    /// Everything up to here is written once the input is idle.
    var position: LSN { get }
    /// The log is complete up to here.
    var reached: LSN { get }
    /// Everything up to the wanted end was consumed.
    var hasReachedEnd: Bool { get }
    /// The last record was an end mark: where the log ends, and why.
    var endMark: (lsn: LSN, reason: String)? { get }
    /// What was written, in words.
    var summary: String { get }

    /// Takes a chunk's records.
    func consume(_ chunk: Chunk) throws
    /// No more input waits: what is complete is written.
    func inputIdle() throws
    /// More input waits, but the reader has nothing to do: what is worth it is written.
    func readerIdle() throws
    /// Writes what is complete, and that the stream ends.
    func end(at position: LSN, reason: String) throws
    /// No more comes: what is complete is handed to the output.
    func finish() throws
}

extension OutputFormat {
    /// Does nothing: what is written depends on the input alone.
    func readerIdle() {}
    /// Does nothing: nothing is under way elsewhere.
    func finish() {}
}
