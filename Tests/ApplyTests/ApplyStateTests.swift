import Batches
import Postgres
import Testing

@testable import Apply

/// What becomes of a batch while it comes.
struct ApplyStateTests {
    private let header = BatchHeader(from: LSN(rawValue: 1), to: LSN(rawValue: 2), transactions: 1)
    private let first = ApplyError(.conflict, "first")
    private let second = ApplyError(.constraint, "second")

    @Test func aBatchIsAppliedAsItComes() {
        let batch = OpenBatch(header, isWithheld: false)
        #expect(batch.isApplied && !batch.isLaned && !batch.course.isWithheld && batch.failure == nil)
    }

    @Test func whatIsWithheldIsNotApplied() {
        var batch = OpenBatch(header, isWithheld: true)
        #expect(!batch.isApplied && !batch.isLaned && batch.course.isWithheld)
        batch.fail(first)
        #expect(batch.course.isWithheld && batch.failure == nil)
    }

    @Test(arguments: [true, false]) func theFirstFailureIsTheCause(isLaned: Bool) {
        var batch = OpenBatch(header, isWithheld: false)
        if isLaned { batch.course = .lanes }
        batch.fail(first)
        batch.fail(second)
        #expect(batch.failure?.message == "first")
        #expect(!batch.isApplied)
        // Until its end it is kept as it was to be applied.
        #expect(batch.isLaned == isLaned)
    }

    @Test func onlyAnOpenBatchChanges() {
        for state in [ApplyState.between, .ended(BatchEnd(to: LSN(rawValue: 2), reason: "endpos"))] {
            var state = state
            state.open?.fail(first)
            #expect(state.open == nil)
        }
        var state = ApplyState.open(OpenBatch(header, isWithheld: false))
        state.open?.fail(first)
        #expect(state.open?.failure?.message == "first")
    }
}
