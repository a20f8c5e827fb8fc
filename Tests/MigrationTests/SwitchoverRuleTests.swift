import Testing
@testable import Catalog
@testable import Copying
@testable import Migration

/// What a switchover decides by itself.
struct SwitchoverRuleTests {
    private func sequence(_ name: String, _ value: Int, isCalled: Bool = true) -> CopiedSequence {
        CopiedSequence(name: name, lastValue: "\(value)", isCalled: isCalled)
    }

    @Test func aSequenceMustNotGiveOutAValueAgain() {
        let order = SequenceOrder(descending: ["d"])
        func isBehind(_ here: CopiedSequence, _ there: CopiedSequence) -> Bool {
            !order.behind([here], [there]).isEmpty
        }
        #expect(!isBehind(sequence("a", 5), sequence("a", 5)))
        #expect(!isBehind(sequence("a", 6), sequence("a", 5)))
        #expect(isBehind(sequence("a", 4), sequence("a", 5)))
        #expect(isBehind(sequence("a", 5, isCalled: false), sequence("a", 5)))
        #expect(!isBehind(sequence("a", 5), sequence("a", 5, isCalled: false)))
        #expect(!isBehind(sequence("d", -6), sequence("d", -5)))
        #expect(isBehind(sequence("d", -4), sequence("d", -5)))
        #expect(isBehind(sequence("other", 5), sequence("a", 5)))
    }

    @Test func whatIsReadIsRefreshedFirst() {
        let views = ["1", "2", "3"].map { MaterializedViews.View(oid: $0, name: $0, isOurs: true) }
        func order(_ reads: [String: [String]]) -> String {
            MaterializedViews.ordered(views, reads: reads).map(\.name).joined()
        }
        #expect(order([:]) == "123")
        #expect(order(["1": ["2"], "2": ["3"]]) == "321")
        // Through a view that is not materialized, and a table.
        #expect(order(["1": ["9", "8"], "9": ["3"]]) == "312")
        // What cannot be, ends all the same.
        #expect(order(["1": ["2"], "2": ["1"]]).count == 3)
    }

    @Test func aLimitIsOfBytesOrOfSeconds() {
        #expect(Lag(bytes: 10, seconds: nil).isWithin(.bytes(10)))
        #expect(!Lag(bytes: 11, seconds: 0).isWithin(.bytes(10)))
        #expect(!Lag(bytes: 0, seconds: nil).isWithin(.seconds(1)))
        #expect(Lag(bytes: 1 << 40, seconds: 1).isWithin(.seconds(1)))
    }
}
