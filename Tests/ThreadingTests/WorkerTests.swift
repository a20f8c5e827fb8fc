import Synchronization
import Testing
import Threading

@Suite(.timeLimit(.minutes(1))) struct WorkerTests {
    private struct Failure: Error, Equatable {
        let number: Int
    }

    @Test func aWorkersResultReachesTheTask() async throws {
        #expect(try await Worker.run(name: "adder") { 20 + 22 } == 42)
    }

    @Test func aWorkersErrorReachesTheTask() async {
        await #expect(throws: Failure(number: 3)) {
            try await Worker.run(name: "failing") { throw Failure(number: 3) }
        }
    }

    @Test func joiningWaitsForTheEndOfTheWork() async throws {
        let shared = Shared()
        let worker = try #require(
            Worker.start(name: "slow") {
                pause(milliseconds: 30)
                shared.value.store(1, ordering: .releasing)
            })
        let seen = try await Worker.run(name: "joiner") {
            worker.join()
            worker.join()
            return shared.value.load(ordering: .acquiring)
        }
        #expect(seen == 1)
    }

    @Test func blockedWorkersDoNotHoldTheTasks() async throws {
        let stop = StopRequest()
        let workers = try (0..<16).map { number in
            try #require(
                Worker.start(name: "blocked \(number)") {
                    #expect(Polling.wait(stop.descriptor, until: .after(milliseconds: 20_000)).first)
                })
        }
        #expect(try await Worker.run(name: "free") { true })
        stop.request()
        try await Worker.run(name: "joiner") { workers.forEach { $0.join() } }
    }
}
