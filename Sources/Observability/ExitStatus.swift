/// The exit codes of all programs, as `docs/exit-codes.md` lists them. A script can tell apart what it must act on
/// differently; the numbers never change meaning.
public enum ExitStatus: Int32, Sendable, CaseIterable {
    /// Done; with an end position: everything up to it was consumed.
    case done = 0
    /// A failure that no other code names.
    case failure = 1
    /// The command line is wrong.
    case usage = 2
    /// A server cannot be reached, refuses the login, or the connection was lost.
    case connection = 3
    /// The role lacks a privilege; the message has the statement that grants it.
    case privilege = 4
    /// The server is not set up for this (wal_level, version, a missing publication).
    case unsuitableServer = 5
    /// The slot does not exist.
    case slotMissing = 6
    /// The slot is in use by another process.
    case slotActive = 7
    /// The slot was invalidated: the source removed WAL that it needed.
    case slotLost = 8
    /// The slot exists but is not one that can be used here, or exists already.
    case slotMismatch = 9
    /// Changes are missing: the slot is ahead of the spool, a segment is gone, or a batch is ahead of the target.
    case gap = 10
    /// The spool or the batches belong to another source.
    case foreign = 11
    /// Another process writes to the spool.
    case locked = 12
    /// A segment or a batch is damaged, or of an unknown format.
    case corrupt = 13
    /// The input ended before its end mark, or a signal came before the end position.
    case incomplete = 14
    /// A batch straddles the position of the target.
    case straddling = 15
    /// The target refuses a change, or a statement touched an unexpected number of rows.
    case conflict = 16
    /// The target's position is in use by another session.
    case positionBusy = 17
    /// A file cannot be read or written.
    case inputOutput = 18
    /// The target is farther behind the source than was allowed.
    case lagging = 19
    /// Something else than the batches moved the target's position; nothing of the batch is applied.
    case positionMoved = 20
    /// The target would not have everything of the source: definitions changed meanwhile, or contents differ that the
    /// stream of changes does not carry.
    case drift = 21
}

/// An error that knows its own exit code.
public protocol ExitStatusError: Error, CustomStringConvertible {
    /// The exit code of a program that ends with this error.
    var exitStatus: ExitStatus { get }
}
