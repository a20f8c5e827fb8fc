import Postgres

/// How applying a stream came to its end without an error.
public enum ApplyOutcome: Sendable, Equatable {
    /// The end mark was met, and the target is at or past its position.
    case reachedEnd(LSN)
    /// A stop was asked for; the target is at this position (nil: no progress yet).
    case stopped(LSN?)
    /// The input ended between batches, without an end mark, which the options allow.
    case inputEnded(LSN?)
}
