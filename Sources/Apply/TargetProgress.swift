import Postgres

/// Where the target's position is kept: it moves in the transaction of the batch, and one session at a time may move it.
protocol TargetProgress {
    /// The position, durable and read from the target now; nil when nothing was applied.
    func position() throws(ApplyError) -> LSN?

    /// The statement of a batch's text is not sent, because this kind of progress does without.
    func replaces(_ statement: UnsafeRawBufferPointer) -> Bool

    /// What moves the position in a batch's transaction, and must report one row; nil when the batch's text does.
    func move(from: LSN?, to: LSN, committedAt: String?) -> String?

    /// What moves the position in a transaction without any text, if ``move(from:to:committedAt:)`` does not.
    func movesAlone(to end: LSN, committedAt: String?) -> [String]
}
