import Glibc

/// A growable raw buffer that batch text is written into; reused from batch to batch.
///
/// Values are copied straight from the decoded message: no `String` and no array is made for them.
final class TextBuffer {
    private var base: UnsafeMutableRawPointer
    private var capacity: Int
    private let initialCapacity: Int
    /// The number of bytes written, in bytes.
    private(set) var count = 0

    init(capacity: Int = 64 << 10) {
        initialCapacity = max(64, capacity)
        self.capacity = initialCapacity
        base = UnsafeMutableRawPointer.allocate(byteCount: initialCapacity, alignment: 16)
    }

    deinit {
        base.deallocate()
    }

    /// The bytes written; valid until the next change of the buffer.
    var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base, count: count)
    }

    /// The bytes of `range`; valid until the next change of the buffer.
    func bytes(_ range: Range<Int>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes[range])
    }

    /// Forgets what was written after the first `count` bytes.
    func truncate(to count: Int) {
        self.count = min(self.count, count)
    }

    /// Forgets everything; gives back the memory that one huge transaction took.
    func clear() {
        clear(keeping: 16 << 20)
    }

    /// Forgets everything; gives memory beyond `kept` bytes back.
    func clear(keeping kept: Int) {
        count = 0
        guard capacity > max(kept, initialCapacity) else { return }
        base.deallocate()
        capacity = initialCapacity
        base = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
    }

    /// Writes over bytes that are there already.
    func overwrite(at offset: Int, _ value: UnsafeRawBufferPointer) {
        guard let source = value.baseAddress, offset + value.count <= count else { return }
        memmove(base + offset, source, value.count)
    }

    /// Appends `length` bytes of no meaning, to be written over later.
    func appendRoom(_ length: Int) {
        guard length > 0 else { return }
        reserve(length)
        memset(base + count, 0, length)
        count += length
    }

    /// Forgets the first `length` bytes and moves the rest to the front.
    func removeFirst(_ length: Int) {
        guard length < count else { return clear() }
        memmove(base, base + length, count - length)
        count -= length
    }

    /// Makes room for `extra` more bytes.
    @inline(__always)
    func reserve(_ extra: Int) {
        if capacity - count < extra { grow(by: extra) }
    }

    private func grow(by extra: Int) {
        capacity = max(capacity * 2, count + extra)
        let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
        memcpy(larger, base, count)
        base.deallocate()
        base = larger
    }

    @inline(__always)
    func append(_ byte: UInt8) {
        reserve(1)
        base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
        count += 1
    }

    @inline(__always)
    func append(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    @inline(__always)
    func append(_ value: UnsafeRawBufferPointer) {
        guard let source = value.baseAddress else { return }
        reserve(value.count)
        memcpy(base + count, source, value.count)
        count += value.count
    }

    /// Slower than the other forms: for framing and preparation, not for changes.
    func append(string text: String) {
        var text = text
        text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    func append(decimal number: Int) {
        append(string: String(number))
    }
}

extension TextBuffer {
    /// Up to this length a plain byte loop beats the calls of `memchr`, in bytes.
    private static let shortValue = 48

    /// A string literal on one line: `'…'`, or `E'…'` where the value contains a newline or carriage return.
    func appendLiteral(_ value: UnsafeRawBufferPointer) {
        let start = count
        reserve(value.count * 2 + 2)
        if value.count > TextBuffer.shortValue {
            if value.contains(byte: 0x0A) || value.contains(byte: 0x0D) { return appendEscapedLiteral(value) }
            if !value.contains(byte: 0x27) {
                append(UInt8(ascii: "'"))
                append(value)
                return append(UInt8(ascii: "'"))
            }
        }
        put(UInt8(ascii: "'"))
        for byte in value {
            if byte == 0x27 {
                put(byte)
            } else if byte == 0x0A || byte == 0x0D {
                truncate(to: start)
                return appendEscapedLiteral(value)
            }
            put(byte)
        }
        put(UInt8(ascii: "'"))
    }

    private func appendEscapedLiteral(_ value: UnsafeRawBufferPointer) {
        reserve(value.count * 2 + 3)
        put(UInt8(ascii: "E"))
        put(UInt8(ascii: "'"))
        for byte in value {
            switch byte {
            case 0x27: put(byte)
            case 0x5C: put(byte)
            case 0x0A:
                put(0x5C)
                put(UInt8(ascii: "n"))
                continue
            case 0x0D:
                put(0x5C)
                put(UInt8(ascii: "r"))
                continue
            default: break
            }
            put(byte)
        }
        put(UInt8(ascii: "'"))
    }

    /// A field of COPY's text format. Every backslash is doubled, so that no data line can read as the end mark.
    func appendCopyField(_ value: UnsafeRawBufferPointer) {
        if value.count > TextBuffer.shortValue, !value.contains(byte: 0x5C), !value.contains(byte: 0x0A),
            !value.contains(byte: 0x0D), !value.contains(byte: 0x09)
        {
            return append(value)
        }
        reserve(value.count * 2)
        for byte in value {
            switch byte {
            case 0x5C:
                put(0x5C)
                put(0x5C)
            case 0x0A:
                put(0x5C)
                put(UInt8(ascii: "n"))
            case 0x0D:
                put(0x5C)
                put(UInt8(ascii: "r"))
            case 0x09:
                put(0x5C)
                put(UInt8(ascii: "t"))
            default: put(byte)
            }
        }
    }

    /// Writes a byte for which room was made.
    @inline(__always)
    private func put(_ byte: UInt8) {
        base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
        count += 1
    }
}

extension UnsafeRawBufferPointer {
    /// True when `byte` occurs.
    func contains(byte: UInt8) -> Bool {
        guard let base = baseAddress else { return false }
        return memchr(base, Int32(byte), count) != nil
    }

    /// True when both hold the same bytes.
    func hasSameBytes(as other: UnsafeRawBufferPointer) -> Bool {
        guard count == other.count else { return false }
        guard let left = baseAddress, let right = other.baseAddress else { return true }
        return memcmp(left, right, count) == 0
    }
}
