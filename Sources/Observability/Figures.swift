/// Numbers as people read them.
public enum Figures {
    /// A number with one decimal: `2.5`.
    public static func tenths(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }

    /// A whole number with its thousands apart: `1,234,567`.
    public static func grouped(_ value: Int) -> String {
        let digits = Array(String(value.magnitude))
        var text = value < 0 ? "-" : ""
        for (index, digit) in digits.enumerated() {
            if index > 0 && (digits.count - index) % 3 == 0 { text += "," }
            text.append(digit)
        }
        return text
    }

    /// A number of things: `1 row`, `2 rows`.
    ///
    /// - Parameter plural: of a word that does not end with an s then.
    public static func counted(_ count: some BinaryInteger, _ word: String, plural: String? = nil) -> String {
        count == 1 ? "1 \(word)" : "\(count) \(plural ?? word + "s")"
    }

    /// A number of bytes, in units of 1024 × 1024 as the server counts: `2.5 MB`.
    public static func megabytes(_ bytes: UInt64) -> String { "\(tenths(Double(bytes) / 1_048_576)) MB" }

    /// A time to wait: `45 s`, `3 min`, `2 h 5 min`.
    public static func duration(seconds: Double) -> String {
        let seconds = Int(min(max(0, seconds), 1e9).rounded())
        switch seconds {
        case ..<90: return "\(seconds) s"
        case ..<5400: return "\((seconds + 30) / 60) min"
        default: return "\(seconds / 3600) h \(seconds % 3600 / 60) min"
        }
    }

    /// The first of many names, for a message.
    public static func some(_ names: [String]) -> String {
        let shown = names.prefix(8).joined(separator: ", ")
        return names.count > 8 ? shown + " and \(names.count - 8) more" : shown
    }
}
