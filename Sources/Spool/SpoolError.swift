import Glibc
import PgOutput
import Postgres

/// What is wrong with a spool, a segment or a record stream.
public struct SpoolError: Error, Sendable, Equatable {
    /// The kind of failure. Torn is not corrupt: a torn tail is what a crash leaves, and is cut on resume.
    public enum Code: Sendable, Equatable {
        /// A system call failed; `errno` says how.
        case io(errno: Int32)
        /// Bytes that were once whole are not what was written.
        case corrupt
        /// The input ends inside a frame, a record or a transaction.
        case torn
        /// A segment is missing between two others, or the start is missing.
        case gap
        /// The spool or segment belongs to another source.
        case foreign
        /// Another process writes to the spool.
        case locked
        /// Written by a newer version, or not a spool or segment at all.
        case unsupported
        /// There is no spool at the place.
        case missing
    }

    /// The kind of failure.
    public let code: Code
    /// What happened and what to do next, in words.
    public let message: String
    /// The file, if one is concerned.
    public let file: String?
    /// The offset in the file of the frame or record concerned, in bytes.
    public let offset: UInt64?

    /// A failure at a place.
    public init(_ code: Code, _ message: String, file: String? = nil, offset: UInt64? = nil) {
        self.code = code
        self.message = message
        self.file = file
        self.offset = offset
    }

    /// A Commit that makes no whole transaction of what came before it.
    public init(_ error: TransactionError, file: String, offset: UInt64? = nil) {
        self.init(
            error.isGap ? .gap : .corrupt, "\(error)", file: error.isGap ? nil : file,
            offset: error.isGap ? nil : offset)
    }

    /// A file that could not be opened, with the present `errno`.
    static func opening(_ path: String) -> SpoolError {
        let code = errno
        guard [EINVAL, ENXIO, EISDIR].contains(code) else { return system("open", file: path) }
        return SpoolError(
            .io(errno: code),
            "there is a pipe, a device or a folder where an ordinary file belongs; remove it, and restore the file",
            file: path)
    }

    /// A failed system call, with the present `errno`.
    static func system(_ call: String, file: String) -> SpoolError {
        let code = errno
        return SpoolError(.io(errno: code), "\(call) failed: \(String(cString: strerror(code)))", file: file)
    }
}

extension SpoolError: CustomStringConvertible {
    /// The failure with its place.
    public var description: String {
        var text = ""
        if let file { text += file }
        if let offset { text += "\(text.isEmpty ? "" : " ")at offset \(offset)" }
        return text.isEmpty ? message : text + ": " + message
    }
}
