/// Goes through one statement, and takes nothing that it does not know.
struct SQLScanner {
    /// What the target's server would not understand, or this model does not.
    struct Unknown: Error, CustomStringConvertible {
        let description: String
    }

    private let text: [UInt8]
    private var index = 0

    init(_ text: [UInt8]) {
        self.text = text
    }

    var isAtEnd: Bool { index == text.count }

    func unknown(_ what: String) -> Unknown {
        let rest = String(decoding: text[index...].prefix(80), as: UTF8.self)
        return Unknown(description: "\(what) before: \(rest) in: \(String(decoding: text.prefix(400), as: UTF8.self))")
    }

    /// Steps over `words` if they come next.
    mutating func take(_ words: StaticString) -> Bool {
        let count = words.utf8CodeUnitCount
        guard text.count - index >= count else { return false }
        for offset in 0..<count where text[index + offset] != words.utf8Start[offset] { return false }
        index += count
        return true
    }

    mutating func expect(_ words: StaticString) throws(Unknown) {
        guard take(words) else { throw unknown("no \(words)") }
    }

    func expectEnd() throws(Unknown) {
        guard isAtEnd else { throw unknown("something more") }
    }

    /// Steps over everything up to the last `words`, and over these.
    mutating func skip(through words: StaticString) {
        let count = words.utf8CodeUnitCount
        var start = text.count - count
        while start >= index {
            var found = SQLScanner(text)
            found.index = start
            if found.take(words) {
                index = start + count
                return
            }
            start -= 1
        }
    }

    /// A quoted name.
    mutating func name() throws(Unknown) -> String {
        try expect("\"")
        return String(decoding: try quoted(0x22, escapes: false), as: UTF8.self)
    }

    /// `"s"."t"`, as it stands.
    mutating func qualifiedName() throws(Unknown) -> String {
        let start = index
        _ = try name()
        try expect(".")
        _ = try name()
        return String(decoding: text[start..<index], as: UTF8.self)
    }

    /// `'…'`, `E'…'` or NULL.
    mutating func literal() throws(Unknown) -> String? {
        if take("NULL") { return nil }
        return String(decoding: try bytes(), as: UTF8.self)
    }

    /// The bytes of `'…'` or `E'…'`.
    mutating func bytes() throws(Unknown) -> [UInt8] {
        if take("E'") { return try quoted(0x27, escapes: true) }
        try expect("'")
        return try quoted(0x27, escapes: false)
    }

    private mutating func quoted(_ quote: UInt8, escapes: Bool) throws(Unknown) -> [UInt8] {
        var found: [UInt8] = []
        while index < text.count {
            let byte = text[index]
            index += 1
            if byte == quote {
                guard index < text.count, text[index] == quote else { return found }
                index += 1
                found.append(quote)
            } else if escapes, byte == 0x5C, index < text.count {
                let escaped = text[index]
                index += 1
                switch escaped {
                case UInt8(ascii: "n"): found.append(0x0A)
                case UInt8(ascii: "r"): found.append(0x0D)
                case 0x5C, 0x27, 0x22: found.append(escaped)
                default: throw unknown("an escape")
                }
            } else {
                found.append(byte)
            }
        }
        throw unknown("no end of a string")
    }

    mutating func number() throws(Unknown) -> Int {
        var value = 0
        let start = index
        while index < text.count, case let digit = text[index], (0x30...0x39).contains(digit) {
            value = value * 10 + Int(digit - 0x30)
            index += 1
        }
        guard index > start else { throw unknown("no number") }
        return value
    }

    /// The elements of an array in its text form.
    static func elements(_ array: [UInt8]) throws(Unknown) -> [String?] {
        var scanner = SQLScanner(array)
        try scanner.expect("{")
        var found: [String?] = []
        if scanner.take("}") { return [] }
        repeat {
            found.append(try scanner.element())
        } while scanner.take(",")
        try scanner.expect("}")
        try scanner.expectEnd()
        return found
    }

    private mutating func element() throws(Unknown) -> String? {
        var value: [UInt8] = []
        guard take("\"") else {
            while index < text.count, text[index] != 0x2C, text[index] != 0x7D {
                guard text[index] != 0x5C, text[index] != 0x22 else { throw unknown("a quote in an element") }
                value.append(text[index])
                index += 1
            }
            let plain = String(decoding: value, as: UTF8.self)
            return plain.lowercased() == "null" ? nil : plain
        }
        while index < text.count {
            let byte = text[index]
            index += 1
            if byte == 0x22 { return String(decoding: value, as: UTF8.self) }
            if byte == 0x5C, index < text.count {
                value.append(text[index])
                index += 1
            } else {
                value.append(byte)
            }
        }
        throw unknown("no end of an element")
    }

    /// The fields of a line of COPY data, without its newline.
    static func fields(_ line: some Sequence<UInt8>) throws(Unknown) -> Row {
        var row: Row = []
        var field: [UInt8] = []
        var isNull = false
        var isEscape = false
        for byte in line {
            if isEscape {
                isEscape = false
                switch byte {
                case UInt8(ascii: "N") where field.isEmpty: isNull = true
                case UInt8(ascii: "n"): field.append(0x0A)
                case UInt8(ascii: "r"): field.append(0x0D)
                case UInt8(ascii: "t"): field.append(0x09)
                case 0x5C: field.append(byte)
                default: throw Unknown(description: "an escape in COPY data")
                }
            } else if byte == 0x5C {
                isEscape = true
            } else if byte == 0x09 {
                row.append(isNull ? nil : String(decoding: field, as: UTF8.self))
                field = []
                isNull = false
            } else {
                guard !isNull else { throw Unknown(description: "something behind a NULL in COPY data") }
                field.append(byte)
            }
        }
        row.append(isNull ? nil : String(decoding: field, as: UTF8.self))
        return row
    }
}
