import Failpoints
import PgOutput
import Postgres
import Spool

// How transactions that were sent while they were in progress come into the log.
extension Capture {
    /// Takes a message of a transaction in progress aside. False when the message is of another kind.
    func collect(_ payload: UnsafeRawBufferPointer, lsn: LSN) throws -> Bool {
        guard let collector else { return false }
        switch try StreamMessage(decoding: payload) {
        case nil:
            guard collector.isInStream else { return false }
            try collector.append(payload, lsn: lsn)
        case .start(let xid, _): try collector.start(xid)
        case .stop: try collector.stop()
        case .abort(let xid, let subtransaction): collector.abort(xid, subtransaction: subtransaction)
        case .commit(let xid, let commit):
            Failpoint.beforeSplice.reach()
            splice = try collector.take(xid, commit)
        }
        return true
    }

    /// Moves the next message or chunk of a streamed transaction into the log. True at the end position.
    func spliceMore(into buffer: ChunkBuffer) throws -> Bool {
        guard let splice else { return false }
        var isAtEnd = false
        switch try splice.next() {
        case .message(let lsn, let payload):
            isAtEnd = try append(payload, flags: .streamed, lsn: lsn, into: buffer)
            if assembler.isSkippingTransaction { splice.skipChanges() }
        case .chunk(let summary):
            try assembler.appendLayouts(of: summary, into: buffer)
            // What was begun comes first; the chunk joins the log with the next buffer.
            if buffer.count > 0 {
                submit()
            } else {
                try splice.takeChunk(into: buffer)
                assembler.took(summary)
                self.chunk.submit(frame: summary, to: writer)
            }
        case .done:
            Failpoint.afterSplice.reach()
            assembler.endSkipping()
            self.splice = nil
        }
        if buffer !== chunk.buffer { Failpoint.duringSplice.reach() }
        return isAtEnd
    }
}
