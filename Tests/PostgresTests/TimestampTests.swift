import Postgres
import Testing

@Suite struct TimestampTests {
    private static let day: Int64 = 86_400_000_000

    @Test(arguments: [
        (0, "2000-01-01 00:00:00.000000+00"),
        (1, "2000-01-01 00:00:00.000001+00"),
        (-1, "1999-12-31 23:59:59.999999+00"),
        (59 * day, "2000-02-29 00:00:00.000000+00"),
        (60 * day, "2000-03-01 00:00:00.000000+00"),
        (365 * day, "2000-12-31 00:00:00.000000+00"),
        (366 * day, "2001-01-01 00:00:00.000000+00"),
        (-10_957 * day, "1970-01-01 00:00:00.000000+00"),
        (-36_465 * day, "1900-03-01 00:00:00.000000+00"),
        (-36_466 * day, "1900-02-28 00:00:00.000000+00"),
        (-730_119 * day, "0001-01-01 00:00:00.000000+00"),
        (8_825 * day + 86_399_999_999, "2024-02-29 23:59:59.999999+00"),
        (36_584 * day, "2100-03-01 00:00:00.000000+00"),
        (36_583 * day, "2100-02-28 00:00:00.000000+00"),
        (146_097 * day, "2400-01-01 00:00:00.000000+00"),
        (2_921_939 * day, "9999-12-31 00:00:00.000000+00"),
        (2_921_940 * day, "10000-01-01 00:00:00.000000+00"),
        (9_223_371_331_199_999_999, "294276-12-31 23:59:59.999999+00"),
    ])
    func textIsTheMomentInUTC(microseconds: Int64, text: String) {
        #expect(Timestamp(rawValue: microseconds).description == text)
    }

    @Test func everyDayOfFourCenturiesFollowsTheOneBefore() {
        var year = 1900, month = 1, day = 1
        for number in -36_524..<109_573 {
            let text = Timestamp(rawValue: Int64(number) * Self.day).description
            let expected = "\(year)-\(month < 10 ? "0" : "")\(month)-\(day < 10 ? "0" : "")\(day)"
            guard text.prefix(10) == expected else {
                Issue.record("day \(number) is \(text), not \(expected)")
                return
            }
            let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
            let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
            day += 1
            if day > lengths[month - 1] { (day, month) = (1, month + 1) }
            if month > 12 { (month, year) = (1, year + 1) }
        }
        #expect(year == 2300)
    }

    @Test(arguments: [Int64.min, Int64.max])
    func noMomentTraps(microseconds: Int64) {
        #expect(Timestamp(rawValue: microseconds).description.hasSuffix("+00"))
    }

    @Test func thePresentIsAfterThisTestWasWritten() {
        #expect(Timestamp.now > Timestamp(rawValue: 26 * 365 * Self.day))
        #expect(Timestamp(rawValue: -1) < Timestamp(rawValue: 0))
    }

    @Test(
        arguments: [
            ("2000-01-01", 0), ("2000-01-01 00:00:00.000001+00", 1), ("2000-01-01T01:00Z", 3_600_000_000),
            ("2000-01-01 01:00:00+01", 0), ("2000-01-01 01:30:00.5+01:30", 500_000), ("1999-12-31 23:00:00-0100", 0),
            ("2000-02-29 00:00", 59 * 86_400_000_000), ("1999-12-31 23:59:59.999999", -1),
        ] as [(String, Int64)])
    func textIsRead(_ text: String, _ value: Int64) {
        #expect(Timestamp(text)?.rawValue == value)
    }

    @Test(arguments: [
        "", "now", "2000-1-1", "2001-02-29", "2000-04-31", "2000-13-01", "2000-01-01 24:00", "2000-01-01 00:60",
        "2000-01-01 00:00:60", "2000-01-01 00:00:00.", "2000-01-01 00:00:00.1234567", "2000-01-01 00:00 UTC",
        "2000-01-01 ", "0/1A2B", "2000-01-01+01", "2000-01-01 00:00+1", "-2000-01-01", "2000-01-01 00:00+01:",
    ])
    func otherTextIsNoMoment(_ text: String) {
        #expect(Timestamp(text) == nil)
    }

    @Test func whatIsWrittenIsReadBack() {
        var value: Int64 = -30_000_000_000_000_000
        while value < 200_000_000_000_000_000 {
            #expect(Timestamp(Timestamp(rawValue: value).description)?.rawValue == value)
            value += 9_876_543_219_876
        }
    }
}
