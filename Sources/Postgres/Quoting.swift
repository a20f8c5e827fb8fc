/// SQL text that the server reads back as the same name or string, whatever it contains.
public enum Quoting {
    /// A name in double quotes.
    public static func identifier(_ name: String) -> String {
        "\"" + doubling("\"", in: name) + "\""
    }

    /// A schema-qualified name.
    public static func qualified(_ schema: String, _ name: String) -> String {
        identifier(schema) + "." + identifier(name)
    }

    /// A string literal on one line; needs `standard_conforming_strings = on`.
    public static func literal(_ text: String) -> String {
        if text.utf8.contains(where: { $0 == 0x0A || $0 == 0x0D }) {
            var escaped = ""
            for scalar in text.unicodeScalars {
                switch scalar {
                case "\n": escaped += "\\n"
                case "\r": escaped += "\\r"
                case "\\": escaped += "\\\\"
                case "'": escaped += "''"
                default: escaped.unicodeScalars.append(scalar)
                }
            }
            return "E'" + escaped + "'"
        }
        return "'" + doubling("'", in: text) + "'"
    }

    private static func doubling(_ quote: Unicode.Scalar, in text: String) -> String {
        var result = ""
        result.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            if scalar == quote { result.unicodeScalars.append(quote) }
            result.unicodeScalars.append(scalar)
        }
        return result
    }
}
