// The elements of an array literal inside an escape string: `E'{1,"a b",NULL}'`.
//
// Two layers of escapes lie over a value: the array's own, which puts a backslash before a quote or a backslash, and
// the string's, which doubles quotes and backslashes and keeps newlines off the line.
extension TextBuffer {
    /// Appends a value as an element. One of plain characters (a number, a date) stands as it is where `isPlain` says
    /// that the type's values do; every other is quoted.
    func appendElement(_ value: UnsafeRawBufferPointer, isPlain: Bool) {
        if isPlain && TextBuffer.canStandPlain(value) { return append(value) }
        append(UInt8(ascii: "\""))
        var start = 0
        for offset in value.indices {
            let byte = value[offset]
            guard TextBuffer.isSpecial(byte) else { continue }
            append(UnsafeRawBufferPointer(rebasing: value[start..<offset]))
            start = offset + 1
            switch byte {
            case UInt8(ascii: "'"): append("''")
            case UInt8(ascii: "\""): append("\\\\\"")
            case UInt8(ascii: "\\"): append("\\\\\\\\")
            case 0x0A: append("\\n")
            default: append("\\r")
            }
        }
        append(UnsafeRawBufferPointer(rebasing: value[start...]))
        append(UInt8(ascii: "\""))
    }

    /// Appends NULL as an element.
    func appendNullElement() {
        append("NULL")
    }

    @inline(__always)
    private static func isSpecial(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 0x0A
            || byte == 0x0D
    }

    /// Only characters that mean nothing to arrays and strings, no space at an end, and not the word NULL.
    private static func canStandPlain(_ value: UnsafeRawBufferPointer) -> Bool {
        // Longer ones are not worth a look.
        let plainBytesMax = 64
        guard let first = value.first, let last = value.last, value.count <= plainBytesMax else { return false }
        // NaN stands plain, null does not.
        if first | 0x20 == UInt8(ascii: "n") && value.count == 4 { return false }
        guard first != UInt8(ascii: " "), last != UInt8(ascii: " ") else { return false }
        for byte in value {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."),
                UInt8(ascii: ":"), UInt8(ascii: " "):
                continue
            default: return false
            }
        }
        return true
    }
}
