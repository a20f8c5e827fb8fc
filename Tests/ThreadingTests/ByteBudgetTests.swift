import Testing
import Threading

@Suite struct ByteBudgetTests {
    @Test(.timeLimit(.minutes(1))) func takingWaitsUntilThereIsRoom() async throws {
        let budget = ByteBudget(limit: 10)
        budget.take(25)
        #expect(!budget.isUnused)
        let taken = BoundedQueue<Int>(capacity: 4)
        let worker = try #require(
            Worker.start(name: "taker") {
                for bytes in [6, 4, 1] {
                    budget.take(bytes)
                    taken.push(bytes)
                }
            })
        #expect(taken.popIfAny() == nil)
        budget.give(25)
        #expect(taken.pop() == 6)
        #expect(taken.pop() == 4)
        #expect(taken.popIfAny() == nil)
        budget.close()
        #expect(taken.pop() == 1)
        await Task.detached { worker.join() }.value
        budget.give(11)
        #expect(budget.isUnused)
    }
}
