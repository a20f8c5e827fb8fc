/// Text that someone else chose (names, values, server messages, file names) as a person reads it in a terminal or a log.
public enum PlainText {
    /// The same on one line, without anything that could steer a terminal, end the line or turn the direction of what
    /// follows: such characters are written as `\\u001b`. Quotes and backslashes stay as they are.
    public static func line(_ text: String) -> String { escaped(text, keepsLines: false) }

    /// The same with its line ends.
    public static func lines(_ text: String) -> String { escaped(text, keepsLines: true) }

    private static func escaped(_ text: String, keepsLines: Bool) -> String {
        func isSafe(_ scalar: Unicode.Scalar) -> Bool {
            scalar == "\"" || scalar == "\\" || keepsLines && scalar == "\n" || !JSONText.needsEscape(scalar.value)
        }
        guard !text.unicodeScalars.allSatisfy(isSafe) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            if isSafe(scalar) {
                result.unicodeScalars.append(scalar)
            } else {
                switch scalar {
                case "\n": result += "\\n"
                case "\r": result += "\\r"
                case "\t": result += keepsLines ? "\t" : "\\t"
                default:
                    let digits = String(scalar.value, radix: 16)
                    result += "\\u" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
                }
            }
        }
        return result
    }
}
