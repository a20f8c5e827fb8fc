import Postgres

/// Why changes cannot be captured from the source.
public struct CaptureError: Error, Sendable, Equatable {
    /// The kind of failure.
    public enum Code: Sendable, Equatable {
        /// wal_level, version or the like does not allow logical decoding.
        case unsuitableServer
        /// A publication does not exist.
        case publicationMissing
        /// The role lacks a privilege.
        case privilege
        /// The slot does not exist.
        case slotMissing
        /// The slot exists already.
        case slotExists
        /// Another process uses the slot.
        case slotActive
        /// The slot was invalidated.
        case slotLost
        /// The slot is physical, of another plugin or of another database.
        case slotMismatch
        /// The slot's position is past the end of the spool.
        case gap
        /// The server is on another timeline, which does not continue the log.
        case timelineSwitch
        /// The server's WAL ends before the log does: it was put back to an earlier state.
        case sourceBehind
        /// The server sent something that the protocol does not allow.
        case protocolViolation
        /// The server ended the stream.
        case streamEnded
    }

    /// The kind of failure.
    public let code: Code
    /// What happened, where, and what to do next.
    public let message: String

    /// A failure of the given kind.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
}

extension CaptureError: CustomStringConvertible {
    /// What happened, where, and what to do next.
    public var description: String { message }
}
