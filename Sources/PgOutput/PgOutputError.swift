/// A pgoutput message that cannot be decoded. Carries positions and kinds, never values.
public struct PgOutputError: Error, Sendable, Equatable {
    /// What is wrong with the message.
    public enum Code: Sendable, Equatable {
        /// The message ends before the field does.
        case truncated
        /// Bytes follow the last field.
        case trailingBytes
        /// The first byte names no message that this version knows.
        case unknownMessage
        /// A tuple, identity or column marker has a value that the protocol does not define.
        case unknownMarker
        /// A string is not terminated or not valid UTF-8.
        case invalidString
        /// A count or length is negative.
        case invalidLength
    }

    /// What is wrong.
    public let code: Code
    /// The message's kind byte; 0 when the message is empty.
    public let kind: UInt8
    /// The offset in the message, in bytes.
    public let offset: Int

    /// An error at `offset` of a message that begins with `kind`.
    public init(_ code: Code, kind: UInt8, offset: Int) {
        self.code = code
        self.kind = kind
        self.offset = offset
    }
}

extension PgOutputError: CustomStringConvertible {
    /// What is wrong, and where.
    public var description: String {
        let printable = (0x21...0x7E).contains(kind) ? "'\(Character(Unicode.Scalar(kind)))'" : "byte \(kind)"
        let what =
            switch code {
            case .truncated: "ends too early"
            case .trailingBytes: "has bytes after its last field"
            case .unknownMessage: "is of an unknown kind"
            case .unknownMarker: "has an unknown marker"
            case .invalidString: "has a string that is not terminated UTF-8"
            case .invalidLength: "has a negative length"
            }
        return "the pgoutput message \(printable) \(what) at offset \(offset)"
    }
}
