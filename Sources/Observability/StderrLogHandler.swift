import Glibc
import Logging

/// How log lines look.
public enum LogFormat: String, Sendable, CaseIterable {
    /// `12:34:56.789 INFO  message key=value`
    case text
    /// One JSON object a line: `time`, `level`, `program`, `message` and the metadata.
    case json
}

/// Writes log lines to standard error, each by one system call so that lines of several processes do not mix.
public struct StderrLogHandler: LogHandler {
    private let program: String
    private let format: LogFormat
    /// The least severe level that is written.
    public var logLevel: Logger.Level
    /// Values added to every line.
    public var metadata: Logger.Metadata = [:]

    /// A handler for one program.
    public init(program: String, format: LogFormat, level: Logger.Level) {
        self.program = program
        self.format = format
        logLevel = level
    }

    /// One value added to every line.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// Writes one line.
    public func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { _, new in new }
        let pairs = all.sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") }
        var line =
            switch format {
            case .text: text(event.level, "\(event.message)", pairs)
            case .json: json(event.level, "\(event.message)", pairs)
            }
        line += "\n"
        line.withUTF8 { bytes in
            _ = write(2, bytes.baseAddress, bytes.count)
        }
    }

    private func text(_ level: Logger.Level, _ message: String, _ pairs: [(String, String)]) -> String {
        let name = level.rawValue.uppercased()
        var line = "\(clock(date: false)) \(program): "
        if level != .info { line += name.lowercased() + ": " }
        line += message
        for (key, value) in pairs { line += " \(key)=\(value)" }
        return PlainText.line(line)
    }

    private func json(_ level: Logger.Level, _ message: String, _ pairs: [(String, String)]) -> String {
        var fields = [
            ("time", clock(date: true)), ("level", level.rawValue), ("program", program), ("message", message),
        ]
        fields += pairs
        return "{" + fields.map { JSONText.string($0.0) + ":" + JSONText.string($0.1) }.joined(separator: ",") + "}"
    }

    private func clock(date: Bool) -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var parts = tm()
        if date { gmtime_r(&now.tv_sec, &parts) } else { localtime_r(&now.tv_sec, &parts) }
        func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let milliseconds = now.tv_nsec / 1_000_000
        let fraction = String("000\(milliseconds)".suffix(3))
        let time = "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)).\(fraction)"
        guard date else { return time }
        return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T\(time)Z"
    }
}
