import Postgres

/// What ``BatchReader`` found next. Bytes are valid until the next event is asked for.
public enum BatchEvent {
    /// A stream begins.
    case preamble(BatchPreamble)
    /// A statement of the preamble, for a client such as psql.
    case preambleStatement(UnsafeRawBufferPointer)
    /// A batch begins.
    case batchBegin(BatchHeader)
    /// A statement that changes rows, up to its semicolon, and the row count that it must report, if it says one.
    /// ``BatchReader/lane`` is its lane. BEGIN, what moves the position, and COMMIT are not among them: who applies the
    /// batch does these by itself.
    case statement(UnsafeRawBufferPointer, expectedRows: Int?)
    /// A COPY … FROM stdin, up to its semicolon; ``copyData(_:)`` and ``copyEnd`` follow.
    case copy(UnsafeRawBufferPointer, expectedRows: Int?)
    /// Whole data lines of the COPY, with their newlines.
    case copyData(UnsafeRawBufferPointer)
    /// The COPY's end mark.
    case copyEnd
    /// What follows in the batch depends on what came before it in other lanes.
    case barrier
    /// The batch is complete: COMMIT now. The position is the one that the target then has.
    case commit(LSN)
    /// The batch is to be rolled back: its transaction was cut off and comes again.
    case rollback
    /// The stream's end position was reached.
    case end(BatchEnd)
    /// The input has ended, outside any batch.
    case endOfInput
}
