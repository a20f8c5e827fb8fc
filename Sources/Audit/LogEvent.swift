import PgOutput
import Postgres
import Selection
import Spool

/// What an audit meets on its way through the log. Messages borrow the bytes that are being read.
public enum LogEvent {
    /// A segment begins; the log before it is complete up to `reached`.
    case segment(SegmentHeader, file: String, reached: LSN)
    /// A transaction of the range begins.
    case begin(LogTransaction)
    /// A change that is selected: insert, update, delete or truncate.
    case change(Message, Operations, LogTransaction, lsn: LSN)
    /// Another message of the range: origin, layout, type, or what someone emitted. Those outside transactions too.
    case other(Message, lsn: LSN)
    /// The transaction that began last committed.
    case commit(Message.Commit, LogTransaction)
    /// The transaction that began last has no end here: it is restarted below, or the log ends. What was seen of it
    /// did not happen (yet).
    case unfinished(LogTransaction)
    /// The log is complete up to here, though no commit ends here.
    case watermark(LSN)
    /// The stream ended here.
    case end(EndMark, LSN)
}
