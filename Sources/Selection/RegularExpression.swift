import Glibc

/// A POSIX extended regular expression, as `regcomp(3)` takes it. It may match anywhere in a text.
///
/// Letters are those of UTF-8 where the system has the locale `C.UTF-8`; without it every byte is a letter.
public final class RegularExpression: @unchecked Sendable {
    // Written once, before anyone else has it. regexec(3) may be called from any thread.
    private var compiled = regex_t()
    /// The expression as it was given.
    public let pattern: String

    // Never changed once it is made.
    private nonisolated(unsafe) static let locale = newlocale(Int32(1 << LC_CTYPE), "C.UTF-8", nil)

    /// Compiles an expression.
    ///
    /// - Throws: ``SelectionError`` with `invalidRegularExpression` and what the system says of it.
    public init(_ pattern: String) throws(SelectionError) {
        self.pattern = pattern
        guard !pattern.utf8.contains(0) else {
            throw SelectionError(.invalidRegularExpression, "a regular expression cannot hold a zero byte")
        }
        let previous = RegularExpression.useLocale()
        let code = regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB)
        uselocale(previous)
        guard code == 0 else {
            let reason = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
                _ = regerror(code, &compiled, buffer.baseAddress, buffer.count)
                return buffer.baseAddress.map { String(cString: $0) } ?? "error \(code)"
            }
            throw SelectionError(
                .invalidRegularExpression, "\"\(pattern)\" is no POSIX extended regular expression: \(reason)")
        }
    }

    deinit {
        regfree(&compiled)
    }

    private static func useLocale() -> locale_t? {
        locale == nil ? uselocale(nil) : uselocale(locale)
    }

    /// True when the expression matches somewhere in the text. The bytes are read where they are.
    public func matches(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let previous = RegularExpression.useLocale()
        defer { uselocale(previous) }
        // With REG_STARTEND the text needs no zero byte at its end.
        var range = regmatch_t(rm_so: 0, rm_eo: regoff_t(bytes.count))
        let empty: StaticString = ""
        let text = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
        return withUnsafePointer(to: compiled) { regex in
            if let text { return regexec(regex, text, 1, &range, REG_STARTEND) == 0 }
            return empty.utf8Start.withMemoryRebound(to: CChar.self, capacity: 1) {
                regexec(regex, $0, 1, &range, REG_STARTEND) == 0
            }
        }
    }

    /// True when the expression matches somewhere in the text.
    public func matches(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { matches(UnsafeRawBufferPointer($0)) }
    }
}
