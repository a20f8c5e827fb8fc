import Glibc

/// Finds what would begin or end a transaction among statements that are one batch, and must be one transaction: a
/// COMMIT in the middle would make the position durable without the rest of the rows.
///
/// Looks at every statement of a line, as the server would divide it. What stands in quotes is skipped.
enum TransactionControl {
    private static let words: [StaticString] = [
        "commit", "rollback", "begin", "start", "end", "abort", "savepoint", "release", "prepare",
    ]

    /// The first such word of a line that begins one of its statements; nil when there is none.
    static func word(in line: UnsafeRawBufferPointer) -> String? {
        guard let base = line.baseAddress, !line.isEmpty else { return nil }
        if !isLetter(line[0]) || wordLength(line, at: 0) != nil { return lex(line) }
        // Nearly all lines have one semicolon, at their end. In others it is mostly part of a value.
        var index = 0
        while let found = memchr(base + index, 0x3B, line.count - index) {
            index = base.distance(to: UnsafeRawPointer(found)) + 1
            let next = line[index...].firstIndex { !isSpace($0) } ?? line.endIndex
            guard next < line.endIndex else { return nil }
            let isComment = line[next] == UInt8(ascii: "-") || line[next] == UInt8(ascii: "/")
            if isComment || wordLength(line, at: next) != nil { return lex(line) }
        }
        return nil
    }

    /// The length of the word that stands at `index`, if it is one of ours.
    private static func wordLength(_ line: UnsafeRawBufferPointer, at index: Int) -> Int? {
        // What nearly every statement begins with is none of them, and there are many statements.
        switch line[index] | 0x20 {
        case UInt8(ascii: "a"), UInt8(ascii: "b"), UInt8(ascii: "c"), UInt8(ascii: "e"), UInt8(ascii: "p"),
            UInt8(ascii: "r"), UInt8(ascii: "s"):
            break
        default: return nil
        }
        for word in words {
            let end = index + word.utf8CodeUnitCount
            guard end <= line.count, end == line.count || !isIdentifier(line[end]) else { continue }
            let isEqual = (0..<word.utf8CodeUnitCount).allSatisfy { line[index + $0] | 0x20 == word.utf8Start[$0] }
            if isEqual { return word.utf8CodeUnitCount }
        }
        return nil
    }

    /// Goes through the line as the server's scanner would.
    private static func lex(_ line: UnsafeRawBufferPointer) -> String? {
        var index = 0
        var isAtStart = true
        while index < line.count {
            let byte = line[index]
            switch byte {
            case UInt8(ascii: ";"):
                isAtStart = true
                index += 1
            case _ where isSpace(byte): index += 1
            case UInt8(ascii: "-") where index + 1 < line.count && line[index + 1] == byte: return nil
            case UInt8(ascii: "/") where index + 1 < line.count && line[index + 1] == UInt8(ascii: "*"):
                index = commentEnd(line, from: index)
            case UInt8(ascii: "'"), UInt8(ascii: "\""):
                isAtStart = false
                index = quoteEnd(
                    line, from: index, escapes: byte == UInt8(ascii: "'") && hasEscapes(line, before: index))
            case UInt8(ascii: "$"):
                isAtStart = false
                index = dollarEnd(line, from: index)
            case _ where isIdentifier(byte):
                if isAtStart, let length = wordLength(line, at: index) {
                    return String(decoding: line[index..<index + length], as: UTF8.self)
                }
                isAtStart = false
                // A dollar sign inside a name begins no quote.
                while index < line.count, isIdentifier(line[index]) || line[index] == UInt8(ascii: "$") { index += 1 }
            default:
                isAtStart = false
                index += 1
            }
        }
        return nil
    }

    /// The quote is that of `E'…'`.
    private static func hasEscapes(_ line: UnsafeRawBufferPointer, before index: Int) -> Bool {
        guard index > 0, line[index - 1] | 0x20 == UInt8(ascii: "e") else { return false }
        return index == 1 || !isIdentifier(line[index - 2])
    }

    private static func quoteEnd(_ line: UnsafeRawBufferPointer, from start: Int, escapes: Bool) -> Int {
        let quote = line[start]
        var index = start + 1
        while index < line.count {
            if escapes, line[index] == UInt8(ascii: "\\") {
                index += 2
            } else if line[index] == quote {
                guard index + 1 < line.count, line[index + 1] == quote else { return index + 1 }
                index += 2
            } else {
                index += 1
            }
        }
        return line.count
    }

    /// Comments nest.
    private static func commentEnd(_ line: UnsafeRawBufferPointer, from start: Int) -> Int {
        var depth = 1
        var index = start + 2
        while index + 1 < line.count {
            switch (line[index], line[index + 1]) {
            case (UInt8(ascii: "/"), UInt8(ascii: "*")):
                depth += 1
                index += 2
            case (UInt8(ascii: "*"), UInt8(ascii: "/")):
                depth -= 1
                index += 2
                if depth == 0 { return index }
            default: index += 1
            }
        }
        return line.count
    }

    /// `$tag$ … $tag$`; a dollar sign that begins no tag stands for itself.
    private static func dollarEnd(_ line: UnsafeRawBufferPointer, from start: Int) -> Int {
        var index = start + 1
        while index < line.count, isIdentifier(line[index]) { index += 1 }
        guard index < line.count, line[index] == UInt8(ascii: "$"), !isDigit(line[start + 1]) else { return start + 1 }
        let tag = line[start...index]
        index += 1
        while index + tag.count <= line.count {
            if line[index..<index + tag.count].elementsEqual(tag) { return index + tag.count }
            index += 1
        }
        return line.count
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
    private static func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte | 0x20) }
    private static func isIdentifier(_ byte: UInt8) -> Bool {
        isLetter(byte) || isDigit(byte) || byte == UInt8(ascii: "_") || byte >= 0x80
    }
}
