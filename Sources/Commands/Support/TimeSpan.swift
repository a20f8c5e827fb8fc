import ArgumentParser

/// A length of time, written with an optional unit as PostgreSQL's settings take them: `90`, `90s`, `30min`, `12h`, `7d`.
public struct TimeSpan: ExpressibleByArgument, Sendable, Equatable {
    /// The length in seconds.
    public let seconds: Int

    /// Reads a length of time; a number alone means seconds.
    public init?(argument: String) {
        let digits = argument.prefix { $0.isASCII && $0.isNumber }
        let units = ["": 1, "s": 1, "min": 60, "h": 3_600, "d": 86_400]
        guard let number = Int(digits), let unit = units[String(argument.dropFirst(digits.count))] else { return nil }
        let (product, overflow) = number.multipliedReportingOverflow(by: unit)
        guard !overflow else { return nil }
        seconds = product
    }
}
