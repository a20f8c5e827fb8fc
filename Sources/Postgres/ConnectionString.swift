import CLibpq
import Glibc

/// A libpq connection string (URI or keyword/value), with what may be shown of it.
public struct ConnectionString: Sendable {
    /// The string as the user gave it; may contain a password.
    public let secret: String
    /// The string without passwords, safe for logs.
    public let redacted: String
    /// The keywords and values that it sets, passwords included.
    public let parameters: [String: String]

    /// The parsed connection string; an empty one means libpq's defaults (PG* variables, service files).
    ///
    /// - Throws: ``PostgresError`` with `invalidConnectionString`. Its message never quotes the string.
    public init(_ text: String) throws(PostgresError) {
        secret = text
        var message: UnsafeMutablePointer<CChar>?
        // libpq takes a bare word as a database name, but its parser wants keyword=value or a URI.
        let parseable = text.contains("=") || text.contains("://") || text.isEmpty ? text : "dbname=" + text
        guard let options = PQconninfoParse(parseable, &message) else {
            let words = message.map { String(cString: $0) } ?? "out of memory"
            PQfreemem(message)
            throw PostgresError(
                .invalidConnectionString,
                "the connection string cannot be parsed: \(ConnectionString.withoutQuotes(words))"
                    + "; write host=… dbname=… or postgresql://host/dbname")
        }
        defer { PQconninfoFree(options) }
        var found: [String: String] = [:]
        var shown: [String] = []
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val {
                let name = String(cString: keyword)
                let text = String(cString: value)
                found[name] = text
                let isSecret = String(cString: option.pointee.dispchar).contains("*") || name == "sslpassword"
                if !isSecret { shown.append("\(name)=\(ConnectionString.quoted(text))") }
            }
            option += 1
        }
        parameters = found
        redacted = shown.isEmpty ? "the libpq defaults" : shown.joined(separator: " ")
    }

    /// Whatever libpq quotes may be a password, so it is left out.
    private static func withoutQuotes(_ message: String) -> String {
        let parts = message.split(separator: "\"", omittingEmptySubsequences: false)
        let kept = parts.enumerated().map { $0.offset % 2 == 0 ? String($0.element) : "…" }
        return kept.joined(separator: "\"").replacingNewlines
    }

    private static func quoted(_ value: String) -> String {
        let plain = value.utf8.allSatisfy { byte in
            byte != 0x20 && byte != 0x27 && byte != 0x5C
        }
        if plain && !value.isEmpty { return value }
        let escaped = value.flatMap { $0 == "'" || $0 == "\\" ? ["\\", $0] : [$0] }
        return "'" + String(escaped) + "'"
    }
}
