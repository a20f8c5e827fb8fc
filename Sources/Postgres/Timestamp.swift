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

extension Timestamp {
    /// Reads a moment as PostgreSQL and ISO 8601 write it: `2026-01-31 12:00:00.5+01`, `2026-01-31T12:00Z`,
    /// `2026-01-31`. Without a zone it is UTC. Nil for anything else.
    public init?(_ text: some StringProtocol) {
        var reader = TimestampReader(Array(text.utf8))
        guard let value = reader.timestamp() else { return nil }
        self.init(rawValue: value)
    }

    /// Days from 2000-01-01 to a date of the proleptic Gregorian calendar; nil when there is no such date.
    static func days(year: Int64, month: Int64, day: Int64) -> Int64? {
        guard (1...9999).contains(year), (1...12).contains(month), (1...31).contains(day) else { return nil }
        let shifted = month <= 2 ? year - 1 : year
        let dayOfYear = (153 * (month <= 2 ? month + 9 : month - 3) + 2) / 5 + day - 1
        // 0000-03-01 is 730,425 days before 2000-01-01.
        let days = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + dayOfYear - 730_425
        // The 31st of a shorter month is another date when it is read back.
        let back = civil(daysSince2000: days)
        return back == (year, month, day) ? days : nil
    }
}

/// Reads the parts of a moment from text.
private struct TimestampReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    private mutating func skip(_ character: UInt8) -> Bool {
        guard position < bytes.count, bytes[position] == character else { return false }
        position += 1
        return true
    }

    private mutating func number(_ digits: ClosedRange<Int>) -> Int64? {
        var value: Int64 = 0
        let start = position
        while position < bytes.count, position - start < digits.upperBound, (0x30...0x39).contains(bytes[position]) {
            value = value * 10 + Int64(bytes[position] - 0x30)
            position += 1
        }
        return position - start >= digits.lowerBound ? value : nil
    }

    mutating func timestamp() -> Int64? {
        guard let year = number(4...4), skip(0x2D), let month = number(2...2), skip(0x2D), let day = number(2...2),
            let days = Timestamp.days(year: year, month: month, day: day)
        else { return nil }
        var microseconds: Int64 = 0
        if skip(0x20) || skip(0x54) {
            guard let time = time(), let offset = zone() else { return nil }
            microseconds = time - offset * 60_000_000
        }
        guard position == bytes.count else { return nil }
        return days * 86_400_000_000 + microseconds
    }

    private mutating func time() -> Int64? {
        guard let hour = number(2...2), hour < 24, skip(0x3A), let minute = number(2...2), minute < 60 else {
            return nil
        }
        var result = (hour * 60 + minute) * 60_000_000
        guard skip(0x3A) else { return result }
        guard let second = number(2...2), second < 60 else { return nil }
        result += second * 1_000_000
        guard skip(0x2E) else { return result }
        let start = position
        guard var fraction = number(1...6) else { return nil }
        for _ in 0..<6 - (position - start) { fraction *= 10 }
        return result + fraction
    }

    /// Minutes east of UTC.
    private mutating func zone() -> Int64? {
        if position == bytes.count || skip(0x5A) { return 0 }
        let isWest = skip(0x2D)
        guard isWest || skip(0x2B), let hours = number(2...2), hours < 16 else { return nil }
        var minutes: Int64 = 0
        if position < bytes.count {
            _ = skip(0x3A)
            guard let more = number(2...2), more < 60 else { return nil }
            minutes = more
        }
        return (isWest ? -1 : 1) * (hours * 60 + minutes)
    }
}
