import PgOutput

/// Turns the changes of transactions into statements. The renderer frames them as batches; how changes become
/// statements (in order, or as their net effect) is the strategy's own.
///
/// Statements of complete transactions can be taken at any time, also while the next transaction is being read; an
/// unfinished transaction can be dropped.
protocol StatementStrategy: AnyObject {
    /// The text held, in bytes, of complete transactions and the open one.
    var byteCount: Int { get }
    /// True when anything is held of complete transactions.
    var hasCompleted: Bool { get }

    /// A transaction begins.
    func begin()
    /// The open transaction never happened, except for the layouts that came in it: they are not sent again.
    func rollback() throws(BatchError)
    /// The open transaction is complete.
    func commit() throws(BatchError)

    /// A table has a layout that it did not have before; the changes that follow name it.
    func layout(_ table: TablePlan) throws(BatchError)
    /// A row was inserted. `message` is the whole message that `new` was decoded from.
    func insert(_ table: TablePlan, _ new: Tuple, message: UnsafeRawBufferPointer) throws(BatchError)
    /// A row was updated.
    func update(
        _ table: TablePlan, old: Message.OldTuple?, new: Tuple, message: UnsafeRawBufferPointer
    ) throws(BatchError)
    /// A row was deleted.
    func delete(_ table: TablePlan, old: Message.OldTuple, message: UnsafeRawBufferPointer) throws(BatchError)
    /// Tables were emptied.
    func truncate(_ tables: [TablePlan], cascade: Bool, restartIdentity: Bool) throws(BatchError)
    /// A comment line, without its newline, to stand where it came.
    func comment(_ line: UnsafeRawBufferPointer) throws(BatchError)

    /// Hands out the statements of complete transactions and forgets them. `body` gets whole lines.
    func takeCompleted(_ body: (UnsafeRawBufferPointer) throws -> Void) throws
    /// Hands out all statements so far, the open transaction's too, and forgets them.
    func takeAll(_ body: (UnsafeRawBufferPointer) throws -> Void) throws
}
