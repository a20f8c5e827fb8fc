import PgOutput
import Postgres
import Testing

/// The rules by which every reader of a log tells transactions apart.
struct TransactionCursorTests {
    private func begin(_ final: UInt64) -> Message.Begin {
        Message.Begin(finalLSN: LSN(rawValue: final), commitTime: Timestamp(rawValue: 0), xid: 1)
    }

    private func commit(_ final: UInt64, _ end: UInt64) throws -> Message.Commit {
        let words = [final, end, 0].flatMap { word in
            (0..<8).reversed().map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) }
        }
        let message = try (Array("C".utf8) + [0] + words).withUnsafeBytes { try Message(decoding: $0) }
        guard case .commit(let commit) = message else { throw Unexpected() }
        return commit
    }

    private struct Unexpected: Error {}

    /// A cursor whose steps can stand in an expectation.
    private final class Cursor {
        var it: TransactionCursor
        init(_ it: TransactionCursor) { self.it = it }
        func begin(_ begin: Message.Begin, isSelected: Bool = true) -> Bool { it.begin(begin, isSelected: isSelected) }
        func commit(_ commit: Message.Commit) throws -> TransactionCursor.Closing { try it.commit(commit) }
    }

    private func range(_ from: UInt64?, _ to: UInt64?) -> CommitRange {
        CommitRange(from: from.map { LSN(rawValue: $0) }, to: to.map { LSN(rawValue: $0) })
    }

    @Test(
        arguments: [
            (100, 1, nil, nil, CommitRange.Place.inside), (100, 1, 100, nil, .inside), (100, 1, 101, nil, .before),
            (100, 1, nil, 100, .after), (100, 1, nil, 101, .inside), (100, 1, 90, 110, .inside),
            (100, 1, 120, 110, .before),
            (120, 1, 110, 115, .after), (100, 1, 120, 90, .before),
        ] as [(UInt64, Int, UInt64?, UInt64?, CommitRange.Place)])
    func aBeginTellsThePlace(final: UInt64, _: Int, from: UInt64?, to: UInt64?, place: CommitRange.Place) {
        #expect(range(from, to).place(of: begin(final)) == place)
    }

    @Test func aPositionIsInTheRangeBehindItsBeginning() {
        for (position, isInside) in [(10, false), (11, true), (20, true), (21, false)] as [(UInt64, Bool)] {
            #expect(range(10, 20).contains(LSN(rawValue: position)) == isInside, "\(position)")
        }
        #expect(range(nil, nil).contains(LSN(rawValue: 1)))
    }

    @Test func wholeTransactionsCount() throws {
        let cursor = Cursor(TransactionCursor())
        for number in 1...3 as ClosedRange<UInt64> {
            #expect(cursor.begin(begin(number * 100)))
            #expect(cursor.it.isInside && cursor.it.isInTransaction)
            #expect(try cursor.commit(commit(number * 100, number * 100 + 8)) == .whole)
            #expect(cursor.it.state == .outside)
            #expect(cursor.it.lastEnd == LSN(rawValue: number * 100 + 8))
        }
        #expect(!cursor.it.isPast)
    }

    /// After a reconnect the source sends an unfinished transaction again, and perhaps finished ones too.
    @Test func repeatsDoNotCount() throws {
        let cursor = Cursor(TransactionCursor(after: LSN(rawValue: 50)))
        #expect(cursor.begin(begin(100)))
        #expect(cursor.begin(begin(100)))
        #expect(try cursor.commit(commit(100, 108)) == .whole)
        #expect(!cursor.begin(begin(100)))
        #expect(cursor.it.isInTransaction && !cursor.it.isInside)
        #expect(try cursor.commit(commit(100, 108)) == .passed)
        // The next one may begin where the last one ended.
        #expect(cursor.begin(begin(108)))
        #expect(try cursor.commit(commit(108, 116)) == .whole)
    }

    @Test func theRangeEndsBetweenCommits() throws {
        let cursor = Cursor(TransactionCursor(range(108, 208)))
        #expect(!cursor.begin(begin(100)))
        #expect(try cursor.commit(commit(100, 108)) == .passed)
        #expect(cursor.begin(begin(200)))
        #expect(try cursor.commit(commit(200, 208)) == .whole)
        #expect(!cursor.it.isPast)
        #expect(!cursor.begin(begin(300)))
        #expect(cursor.it.isPast)
        #expect(try cursor.commit(commit(300, 308)) == .passed)
    }

    @Test func anEndInsideACommitRecordCutsTheTransactionOff() throws {
        let cursor = Cursor(TransactionCursor(range(nil, 204)))
        #expect(cursor.begin(begin(200)))
        #expect(!cursor.it.isPast)
        #expect(try cursor.commit(commit(200, 208)) == .cutOff)
        #expect(cursor.it.isPast)
    }

    @Test(arguments: [true, false])
    func aStartInsideACommitRecordIsAGap(isRange: Bool) throws {
        let start = LSN(rawValue: 104)
        let cursor = Cursor(isRange ? TransactionCursor(CommitRange(from: start)) : TransactionCursor(after: start))
        #expect(!cursor.begin(begin(100)))
        let commit = try commit(100, 108)
        #expect(throws: TransactionError.around(commit, start: start)) { try cursor.commit(commit) }
        #expect(TransactionError.around(commit, start: start).isGap)
    }

    /// Where chunks were left out, what is under way is not wanted.
    @Test func aResumedReaderWaitsForTheNextBegin() throws {
        let cursor = Cursor(TransactionCursor(CommitRange(), .resumed))
        #expect(!cursor.it.isInTransaction)
        #expect(try cursor.commit(commit(100, 108)) == .passed)
        #expect(cursor.begin(begin(200)))
        cursor.it.resume()
        #expect(try cursor.commit(commit(200, 208)) == .passed)
        cursor.it.start(at: LSN(rawValue: 300))
        #expect(cursor.it.state == .outside)
        #expect(!cursor.begin(begin(200)))
    }

    @Test func aCommitFitsItsBegin() throws {
        let cursor = Cursor(TransactionCursor())
        let early = try commit(100, 108)
        #expect(throws: TransactionError.outside(early)) { try cursor.commit(early) }
        _ = cursor.begin(begin(100))
        let other = try commit(101, 108)
        #expect(throws: TransactionError.ofAnother(other, begin: LSN(rawValue: 100))) { try cursor.commit(other) }
        let empty = try commit(100, 100)
        #expect(throws: TransactionError.ofAnother(empty, begin: LSN(rawValue: 100))) { try cursor.commit(empty) }
        cursor.it.abandon()
        #expect(throws: TransactionError.outside(early)) { try cursor.commit(early) }
        for error in [TransactionError.outside(early), .ofAnother(other, begin: .zero)] { #expect(!error.isGap) }
    }

    @Test func whatIsNotSelectedPasses() throws {
        let cursor = Cursor(TransactionCursor())
        #expect(!cursor.begin(begin(100), isSelected: false))
        #expect(try cursor.commit(commit(100, 108)) == .passed)
        #expect(cursor.it.lastEnd == LSN(rawValue: 108))
    }
}
