/// A position in the write-ahead log: a byte offset, written by PostgreSQL as two hexadecimal halves (`0/1A2B3C`).
public struct LSN: RawRepresentable, Hashable, Comparable, Sendable {
    /// The byte offset.
    public let rawValue: UInt64

    /// The position `rawValue` bytes into the log.
    @inlinable
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// PostgreSQL's InvalidXLogRecPtr: no position.
    public static let zero = LSN(rawValue: 0)

    /// The position written as PostgreSQL writes it; nil for anything else.
    public init?(_ text: some StringProtocol) {
        let halves = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard halves.count == 2,
            let high = LSN.half(halves[0]),
            let low = LSN.half(halves[1])
        else { return nil }
        rawValue = UInt64(high) << 32 | UInt64(low)
    }

    private static func half(_ text: some StringProtocol) -> UInt32? {
        // `UInt32(_:radix:)` alone would also take a sign.
        guard (1...8).contains(text.utf8.count), text.utf8.allSatisfy({ $0 != 0x2B && $0 != 0x2D }) else { return nil }
        return UInt32(text, radix: 16)
    }

    /// The order of the two positions in the log.
    @inlinable
    public static func < (left: LSN, right: LSN) -> Bool {
        left.rawValue < right.rawValue
    }

    /// Sixteen hexadecimal digits, as file names carry the position.
    public var fileNameForm: String {
        let digits = String(rawValue, radix: 16, uppercase: true)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

extension LSN: CustomStringConvertible, LosslessStringConvertible {
    /// The position as PostgreSQL writes it.
    public var description: String {
        String(rawValue >> 32, radix: 16, uppercase: true) + "/"
            + String(rawValue & 0xFFFF_FFFF, radix: 16, uppercase: true)
    }
}

extension LSN: Codable {
    /// Reads the position from its text form, and from no other spelling of it: a document with another one was not
    /// written by this program, or is damaged.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = LSN(text), value.description == text else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "\"\(text)\" is not an LSN")
        }
        self = value
    }

    /// Writes the position in its text form.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
