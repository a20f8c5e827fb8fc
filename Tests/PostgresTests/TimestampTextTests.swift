import Postgres
import Testing

@Suite struct TimestampTextTests {
    @Test func whatIsWrittenIsReadBack() {
        var day: Int64 = -200_000
        while day < 400_000 {
            let time = Timestamp(rawValue: day * 86_400_000_000 + (day &* 7_919_000_003 & 0xFFFF_FFFF))
            #expect(Timestamp(time.description) == time, "\(time)")
            day += 97
        }
        #expect(Timestamp("2000-01-01 00:00:00.000000+00") == Timestamp(rawValue: 0))
    }

    @Test(arguments: [
        "", "now", "2026-01-31", "2026-01-31 12:00:00+00", "2026-13-01 00:00:00.000000+00",
        "2026-01-31 12:00:00.000000+02",
    ])
    func othersAreRefused(_ text: String) {
        #expect(Timestamp(text) == nil)
    }
}
