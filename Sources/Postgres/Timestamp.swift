import Glibc

/// A moment as the replication protocol sends it: microseconds since 2000-01-01 00:00:00 UTC.
public struct Timestamp: RawRepresentable, Hashable, Comparable, Sendable {
    /// Microseconds since 2000-01-01 00:00:00 UTC.
    public let rawValue: Int64

    /// The moment `rawValue` microseconds after 2000-01-01 00:00:00 UTC.
    public init(rawValue: Int64) {
        self.rawValue = rawValue
    }

    private static let unixEpochOffset: Int64 = 946_684_800

    /// The present moment.
    public static var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(
            rawValue: (Int64(time.tv_sec) - unixEpochOffset) * 1_000_000 + Int64(time.tv_nsec) / 1_000)
    }

    /// The order of the two moments.
    public static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.rawValue < right.rawValue
    }
}

extension Timestamp: CustomStringConvertible {
    /// The moment in UTC, in a form that PostgreSQL and ISO 8601 readers take: `2026-01-31 12:00:00.000000+00`.
    public var description: String {
        let microsecondsPerDay: Int64 = 86_400_000_000
        var days = rawValue / microsecondsPerDay
        var rest = rawValue % microsecondsPerDay
        if rest < 0 {
            rest += microsecondsPerDay
            days -= 1
        }
        let (year, month, day) = Timestamp.civil(daysSince2000: days)
        let seconds = rest / 1_000_000
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2)) "
            + "\(padded(seconds / 3600, 2)):\(padded(seconds / 60 % 60, 2)):\(padded(seconds % 60, 2))"
            + ".\(padded(rest % 1_000_000, 6))+00"
    }

    /// The proleptic Gregorian date, counted in 400-year cycles that begin on a 1st of March.
    private static func civil(daysSince2000: Int64) -> (year: Int64, month: Int64, day: Int64) {
        // 2000-03-01 begins a cycle; January and February belong to the year before.
        let shifted = daysSince2000 - 60
        let cycle = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfCycle = shifted - cycle * 146_097
        let yearOfCycle = (dayOfCycle - dayOfCycle / 1460 + dayOfCycle / 36_524 - dayOfCycle / 146_096) / 365
        let dayOfYear = dayOfCycle - (365 * yearOfCycle + yearOfCycle / 4 - yearOfCycle / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (2000 + cycle * 400 + yearOfCycle + (month <= 2 ? 1 : 0), month, day)
    }

    private func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
