import ArgumentParser
import Capture
import Glibc
import Observability
import Postgres
import Spool

extension LSN: ExpressibleByArgument {
    /// Reads a position from the command line.
    public init?(argument: String) {
        self.init(argument)
    }
}

extension LogRange.Bound: ExpressibleByArgument {
    /// Reads a position or a moment from the command line.
    public init?(argument: String) {
        self.init(argument)
    }
}

extension EndPosition: ExpressibleByArgument {
    /// Reads an LSN or the word `current`.
    public init?(argument: String) {
        if argument == "current" {
            self = .current
        } else if let position = LSN(argument) {
            self = .at(position)
        } else {
            return nil
        }
    }
}

/// Connection strings from options or, so that no password need stand on a command line, from the environment.
public enum ConnectionArgument {
    /// The connection string of an option, or else of an environment variable. So is the command that prints the password,
    /// whose variable has `_PASSWORD_COMMAND` at the end of its name.
    ///
    /// - Throws: a usage error when both are missing, ``PostgresError`` when the string cannot be parsed.
    public static func resolve(
        _ value: String?, passwordCommand: String?, option: String, variable: String
    ) throws -> ConnectionString {
        let command = passwordCommand ?? text(of: variable + PasswordCommand.variableSuffix)
        if let value = value ?? text(of: variable) {
            return try ConnectionString(value).with(command.map { PasswordCommand($0) })
        }
        throw ProgramFailure(.usage, "say which server: \(option) CONNINFO, or the variable \(variable)")
    }
}

extension ConnectionArgument {
    private static func text(of variable: String) -> String? {
        getenv(variable).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }
}

/// A size in bytes, written with an optional unit: `64MB`, `1GB`, `512kB`, as PostgreSQL's settings take them.
public struct ByteCount: ExpressibleByArgument, Sendable {
    /// The number of bytes.
    public let bytes: UInt64

    /// The size.
    public init(bytes: UInt64) {
        self.bytes = bytes
    }

    /// Reads a size.
    public init?(argument: String) {
        let digits = argument.prefix { $0.isASCII && $0.isNumber }
        let unit = argument.dropFirst(digits.count).drop { $0 == " " }
        let factors: [String: UInt64] = ["": 1, "B": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40]
        guard let number = UInt64(digits), let factor = factors[String(unit)] else { return nil }
        let (product, overflow) = number.multipliedReportingOverflow(by: factor)
        guard !overflow else { return nil }
        bytes = product
    }

    /// The size as the help shows it.
    public var defaultValueDescription: String {
        for (unit, factor) in [("GB", UInt64(1 << 30)), ("MB", 1 << 20), ("kB", 1 << 10)] where bytes % factor == 0 {
            return "\(bytes / factor)\(unit)"
        }
        return "\(bytes)B"
    }
}
