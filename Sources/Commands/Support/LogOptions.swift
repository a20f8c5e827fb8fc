import ArgumentParser
import Logging
import Observability
import Postgres

extension LogFormat: ExpressibleByArgument {}

/// The options on logging that every program has.
public struct LogOptions: ParsableArguments {
    /// Says more.
    @Flag(name: .shortAndLong, help: "Say more on standard error.")
    public var verbose = false

    /// Says only warnings and errors.
    @Flag(name: .shortAndLong, help: "Say only warnings and errors.")
    public var quiet = false

    /// How log lines look.
    @Option(help: "How log lines look: text or json.")
    public var logFormat = LogFormat.text

    /// The parser needs it.
    public init() {}

    /// A logger to standard error for `program`, to which it is also said for whom sessions wait. Called once.
    public func logger(_ program: String) -> Logger {
        let level: Logger.Level = verbose ? .debug : (quiet ? .warning : .info)
        let format = logFormat
        let logger = Logger(label: program) { StderrLogHandler(program: $0, format: format, level: level) }
        SessionWatch.shared.start { logger.warning("\($0)") }
        return logger
    }
}
