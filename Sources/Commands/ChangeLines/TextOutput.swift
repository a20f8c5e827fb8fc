import CommandSupport
import Glibc
import Observability

/// Standard output, or what stands in its place, through a buffer. Data goes through it as it comes, so that a value of
/// any size needs no copy.
public final class TextOutput {
    private var buffer: [UInt8] = []
    private let target: (UnsafeRawBufferPointer) throws -> Void
    private static let limit = 64 << 10

    /// An output that hands on what it is given; without `target`, to standard output.
    public init(_ target: ((UnsafeRawBufferPointer) throws -> Void)? = nil) {
        self.target = target ?? TextOutput.writeAll
        buffer.reserveCapacity(TextOutput.limit + 4096)
    }

    /// Text as it is.
    public func write(_ text: String) throws {
        buffer.append(contentsOf: text.utf8)
        if buffer.count >= TextOutput.limit { try flush() }
    }

    /// Bytes as they are.
    public func write(_ bytes: UnsafeRawBufferPointer) throws {
        if bytes.count >= TextOutput.limit {
            try flush()
            return try target(bytes)
        }
        buffer.append(contentsOf: bytes)
        if buffer.count >= TextOutput.limit { try flush() }
    }

    /// Text as a JSON string, with every character escaped that could end a line or steer a terminal. False, and
    /// nothing is written, when the bytes are not UTF-8.
    public func writeString(_ bytes: UnsafeRawBufferPointer) throws -> Bool {
        if TextOutput.isPlain(bytes) {
            buffer.append(0x22)
            try write(bytes)
            buffer.append(0x22)
            return true
        }
        guard UTF8Scanner.isValid(bytes) else { return false }
        buffer.append(0x22)
        var scanner = UTF8Scanner(bytes)
        var plainStart = 0
        while let (scalar, start) = scanner.next() {
            if let escape = TextOutput.escape(scalar) {
                try write(UnsafeRawBufferPointer(rebasing: bytes[plainStart..<start]))
                buffer.append(contentsOf: escape.utf8)
                plainStart = scanner.position
            }
        }
        try write(UnsafeRawBufferPointer(rebasing: bytes[plainStart...]))
        buffer.append(0x22)
        return true
    }

    /// True for most values: ASCII without anything to escape.
    private static func isPlain(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var isPlain = true
        for byte in bytes {
            isPlain = isPlain && byte >= 0x20 && byte < 0x7F && byte != 0x22 && byte != 0x5C
        }
        return isPlain
    }

    private static func escape(_ scalar: UInt32) -> String? {
        guard scalar < 0x20 || scalar >= 0x7F || scalar == 0x22 || scalar == 0x5C else { return nil }
        guard JSONText.needsEscape(scalar), let scalar = Unicode.Scalar(scalar) else { return nil }
        return String(JSONText.string(String(scalar)).dropFirst().dropLast())
    }

    /// Bytes as hexadecimal digits.
    public func writeHex(_ bytes: UnsafeRawBufferPointer) throws {
        let digits = Array("0123456789abcdef".utf8)
        for byte in bytes {
            buffer.append(digits[Int(byte >> 4)])
            buffer.append(digits[Int(byte & 15)])
            if buffer.count >= TextOutput.limit { try flush() }
        }
    }

    /// Hands on what is held back.
    public func flush() throws {
        defer { buffer.removeAll(keepingCapacity: true) }
        try buffer.withUnsafeBytes { try target($0) }
    }

    private static func writeAll(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes
        while !rest.isEmpty {
            let count = Glibc.write(1, rest.baseAddress, rest.count)
            if count >= 0 {
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            } else if errno == EAGAIN {
                // A pipe that someone made non-blocking.
                var set = pollfd(fd: 1, events: Int16(POLLOUT), revents: 0)
                poll(&set, 1, -1)
            } else if errno != EINTR {
                throw ProgramFailure(
                    .inputOutput, "standard output cannot be written: \(String(cString: strerror(errno)))")
            }
        }
    }
}
