import Postgres
import Threading

/// What the source was told of how far the capture is, and when it is told again. What it may be told, ``Capture`` decides.
struct Confirmation {
    /// The position up to which it may forget, as it was told last.
    private(set) var position: LSN
    /// When it is to be told, whatever the position is.
    private(set) var dueAt = Deadline.now

    init(_ position: LSN) {
        self.position = position
    }

    /// It was told.
    mutating func sent(_ position: LSN, nextIn seconds: Int) {
        self.position = position
        dueAt = .after(milliseconds: seconds * 1_000)
    }
}
