import Postgres
import Testing

@testable import Apply

struct CatchUpTests {
    private func lsn(_ megabytes: UInt64) -> LSN { LSN(rawValue: megabytes << 20) }
    private func seconds(_ count: Int64) -> Int64 { count * 1_000_000_000 }

    @Test func theTimeLeftFollowsFromTheDistanceAndHowItShrinks() {
        var catchUp = CatchUp()
        catchUp.note(applied: lsn(100), source: lsn(1100), at: seconds(1))
        #expect(catchUp.lagBytes == 1000 << 20 && catchUp.secondsLeft == nil)
        // 300 MB applied and 100 MB written in 10 seconds: 200 MB nearer, 800 MB to go.
        catchUp.note(applied: lsn(400), source: lsn(1200), at: seconds(11))
        #expect(catchUp.lagBytes == 800 << 20 && catchUp.secondsLeft == 40)
        // The pace is that of the last 30 seconds: 400 MB in 20 seconds, 400 MB to go.
        catchUp.note(applied: lsn(800), source: lsn(1200), at: seconds(41))
        #expect(catchUp.secondsLeft == 30)
        catchUp.note(applied: lsn(1200), source: lsn(1200), at: seconds(42))
        #expect(catchUp.lagBytes == 0 && catchUp.secondsLeft == nil)
    }

    @Test func whoComesNoNearerHasNoTimeLeft() {
        var catchUp = CatchUp()
        catchUp.note(applied: lsn(100), source: lsn(200), at: seconds(1))
        catchUp.note(applied: lsn(110), source: lsn(220), at: seconds(2))
        #expect(catchUp.lagBytes == 110 << 20 && catchUp.secondsLeft == nil)
    }

    @Test func whatIsNotKnownIsNotSaid() {
        var catchUp = CatchUp()
        catchUp.note(applied: lsn(100), source: nil, at: seconds(1))
        #expect(catchUp.lagBytes == nil)
        catchUp.note(applied: nil, source: lsn(100), at: seconds(2))
        #expect(catchUp.lagBytes == nil)
        // What receive saw last may be older than what has been applied since.
        catchUp.note(applied: lsn(120), source: lsn(100), at: seconds(3))
        #expect(catchUp.lagBytes == 0 && catchUp.secondsLeft == nil)
    }
}
