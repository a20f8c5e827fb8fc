import PgOutput
import Spool

// What a record of the log says, or where it is damaged.
extension Record {
    /// The message of a change.
    ///
    /// - Throws: ``SpoolError`` with `corrupt`.
    func message(in chunk: Chunk) throws(SpoolError) -> Message {
        do throws(PgOutputError) {
            return try Message(decoding: payload)
        } catch {
            throw corrupt("\(error)", in: chunk)
        }
    }

    /// The error that this record is damaged.
    func corrupt(_ what: String, in chunk: Chunk) -> SpoolError {
        SpoolError(.corrupt, "\(what) (record at LSN \(lsn))", file: chunk.file, offset: chunk.offset)
    }
}

extension TransactionCursor {
    /// A transaction ends in a chunk.
    ///
    /// - Throws: ``SpoolError``: `corrupt` for a Commit that fits no Begin, `gap` when what is read begins inside its record.
    mutating func commit(_ commit: Message.Commit, in chunk: Chunk) throws(SpoolError) -> Closing {
        do throws(TransactionError) {
            return try self.commit(commit)
        } catch {
            throw SpoolError(error, file: chunk.file, offset: chunk.offset)
        }
    }
}
