import Postgres

/// Where a capture ends.
public enum EndPosition: Sendable, Equatable {
    /// Never by itself.
    case none
    /// At this position.
    case at(LSN)
    /// At the position that the source's WAL has when the capture starts.
    case current
    /// At the position that the source's WAL has once nothing has come for a while.
    case idle
}
