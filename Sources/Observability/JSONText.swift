/// JSON strings, where a whole encoder would be too much.
public enum JSONText {
    /// The text as a JSON string on one line, quotes included.
    public static func string(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where needsEscape(scalar.value):
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// True for characters that must not stand as they are in a line that a terminal may show: what JSON reserves, all
    /// control characters, the other line ends, and what turns the direction of text.
    public static func needsEscape(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0x22, 0x5C, 0x00...0x1F, 0x7F...0x9F, 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF:
            true
        default: false
        }
    }
}
