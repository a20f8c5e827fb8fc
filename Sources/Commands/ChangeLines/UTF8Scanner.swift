/// Steps through UTF-8 where it lies, strictly: no overlong forms, no surrogates.
struct UTF8Scanner {
    private let bytes: UnsafeRawBufferPointer
    /// Where the next character begins.
    private(set) var position = 0

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var scanner = UTF8Scanner(bytes)
        while scanner.next() != nil {}
        return scanner.position == bytes.count
    }

    /// The next character and where it begins; nil at the end, and before what is no character.
    mutating func next() -> (scalar: UInt32, start: Int)? {
        guard position < bytes.count else { return nil }
        let start = position
        let first = bytes[start]
        let (length, minimum): (Int, UInt32)
        switch first {
        case 0..<0x80:
            position = start + 1
            return (UInt32(first), start)
        case 0xC2..<0xE0: (length, minimum) = (2, 0x80)
        case 0xE0..<0xF0: (length, minimum) = (3, 0x800)
        case 0xF0..<0xF5: (length, minimum) = (4, 0x1_0000)
        default: return nil
        }
        guard start + length <= bytes.count else { return nil }
        var scalar = UInt32(first) & (0x7F >> UInt32(length))
        for index in start + 1..<start + length {
            guard bytes[index] & 0xC0 == 0x80 else { return nil }
            scalar = scalar << 6 | UInt32(bytes[index] & 0x3F)
        }
        guard scalar >= minimum, scalar < 0x11_0000, !(0xD800..<0xE000).contains(scalar) else { return nil }
        position = start + length
        return (scalar, start)
    }
}
