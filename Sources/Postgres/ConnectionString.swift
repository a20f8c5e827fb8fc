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
    /// The string in keyword/value form without passwords, fit for another program's command line.
    public let withoutSecrets: String
    /// Prints the password for a new session; nil where the string, or what libpq adds to it, has it.
    public private(set) var passwordCommand: PasswordCommand?

    /// The parsed connection string; an empty one means libpq's defaults (PG* variables, service files).
    ///
    /// - Throws: ``PostgresError`` with `invalidConnectionString`. Its message never quotes the string.
    public init(_ text: String) throws(PostgresError) {
        secret = text
        var message: UnsafeMutablePointer<CChar>?
        // libpq takes a bare word as a database name, but its parser wants keyword=value or a URI.
        let isBareWord = !text.isEmpty && !text.utf8.contains(UInt8(ascii: "=")) && !text.contains("://")
        let parseable = isBareWord ? "dbname=" + ConnectionString.quoted(text) : text
        guard let options = PQconninfoParse(parseable, &message) else {
            let words = message.map { String(cString: $0) } ?? "out of memory"
            PQfreemem(message)
            throw PostgresError(
                .invalidConnectionString,
                "the connection string cannot be parsed: \(ConnectionString.withoutQuotes(words))"
                    + "; write host=… dbname=… or postgresql://host/dbname")
        }
        defer { PQconninfoFree(options) }
        let database = ConnectionString.value(of: "dbname", in: options)
        // Shown as a database's name, a misspelt URI would show its password.
        guard !ConnectionString.looksLikeURI(database) else {
            throw PostgresError(
                .invalidConnectionString,
                "the database's name looks like a URI; write postgresql://host/dbname, or host=… dbname=…")
        }
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
        withoutSecrets = shown.joined(separator: " ")
    }

    /// The same with a further command line option for the server process of a session.
    public func adding(option: String) throws(PostgresError) -> ConnectionString {
        let before = parameters["options"] ?? getenv("PGOPTIONS").map { String(cString: $0) } ?? ""
        let all = before.isEmpty ? option : before + " " + option
        var text = withoutSecrets + " options=" + ConnectionString.quoted(all)
        if let password = parameters["password"] { text += " password=" + ConnectionString.quoted(password) }
        if let password = parameters["sslpassword"] { text += " sslpassword=" + ConnectionString.quoted(password) }
        return try ConnectionString(text).with(passwordCommand)
    }

    /// The same with a command that prints the password.
    public func with(_ command: PasswordCommand?) -> ConnectionString {
        var changed = self
        changed.passwordCommand = command
        return changed
    }

    /// The password of a session that is opened now; nil where neither the command nor the string has one.
    ///
    /// - Throws: ``PostgresError`` with `cannotConnect` when the command fails.
    public func password() throws(PostgresError) -> String? {
        guard let passwordCommand else { return parameters["password"] }
        return try passwordCommand.password(for: redacted)
    }

    private static func value(of name: String, in options: UnsafeMutablePointer<PQconninfoOption>) -> String {
        var option = options
        while let keyword = option.pointee.keyword {
            if String(cString: keyword) == name { return option.pointee.val.map { String(cString: $0) } ?? "" }
            option += 1
        }
        return ""
    }

    private static func looksLikeURI(_ database: String) -> Bool {
        database.contains("://") || database.hasPrefix("postgres:") || database.hasPrefix("postgresql:")
            || database.utf8.contains(UInt8(ascii: "@")) && database.utf8.contains(UInt8(ascii: ":"))
    }

    /// Whatever libpq quotes may be a password, which may contain quotes itself: all from the first quote to the last
    /// is left out.
    private static func withoutQuotes(_ message: String) -> String {
        let bytes = message.utf8
        let quote = UInt8(ascii: "\"")
        guard let first = bytes.firstIndex(of: quote), let last = bytes.lastIndex(of: quote) else {
            return message.replacingNewlines
        }
        let before = String(decoding: bytes[..<first], as: UTF8.self)
        let after = String(decoding: bytes[bytes.index(after: last)...], as: UTF8.self)
        return (before + "\"…\"" + after).replacingNewlines
    }

    private static func quoted(_ value: String) -> String {
        let plain = value.unicodeScalars.allSatisfy { scalar in
            !scalar.properties.isWhitespace && scalar != "'" && scalar != "\\"
        }
        if plain && !value.isEmpty { return value }
        // By scalars: a quote with a combining mark is one character, and no quote to a comparison of characters.
        var escaped = String.UnicodeScalarView()
        for scalar in value.unicodeScalars {
            if scalar == "'" || scalar == "\\" { escaped.append("\\") }
            escaped.append(scalar)
        }
        return "'" + String(escaped) + "'"
    }
}
