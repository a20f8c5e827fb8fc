import Synchronization
import Testing
import Threading

/// Threads that block run as workers, so that none of the tasks' own threads is held.
@Suite(.timeLimit(.minutes(1))) struct BoundedQueueTests {
    @Test func elementsComeOutInTheOrderTheyWentIn() async throws {
        let queue = BoundedQueue<Int>(capacity: 3)
        let taken = Mutex<[Int]>([])
        let consumer = try #require(
            Worker.start(name: "consumer") {
                while let element = queue.pop() { taken.withLock { $0.append(element) } }
            })
        try await Worker.run(name: "producer") {
            for element in 0..<1_000 { queue.push(element) }
            queue.close()
            consumer.join()
        }
        #expect(taken.withLock { $0 } == Array(0..<1_000))
    }

    @Test func aFullQueueHoldsItsProducerUntilThereIsRoom() async throws {
        let queue = BoundedQueue<Int>(capacity: 2)
        let shared = Shared()
        let producer = try #require(
            Worker.start(name: "producer") {
                for element in 0..<3 where queue.push(element) { shared.value.add(1, ordering: .relaxed) }
            })
        try await Worker.run(name: "consumer") {
            while shared.value.load(ordering: .relaxed) < 2 { pause(milliseconds: 1) }
            pause(milliseconds: 30)
            #expect(shared.value.load(ordering: .relaxed) == 2)
            #expect(queue.count == 2)
            #expect(queue.pop() == 0)
            producer.join()
        }
        #expect(shared.value.load(ordering: .relaxed) == 3)
        #expect(queue.count == 2)
    }

    @Test func aCapacityBelowOneIsOne() {
        let queue = BoundedQueue<Int>(capacity: 0)
        #expect(queue.push(1))
        #expect(queue.count == 1)
    }

    @Test func closingWakesAWaitingConsumer() async throws {
        let queue = BoundedQueue<Int>(capacity: 1)
        let consumer = try #require(Worker.start(name: "consumer") { #expect(queue.pop() == nil) })
        try await Worker.run(name: "closer") {
            pause(milliseconds: 20)
            queue.close()
            consumer.join()
        }
    }

    @Test func closingWakesAWaitingProducerWhoseElementIsDropped() async throws {
        let queue = BoundedQueue<Int>(capacity: 1)
        queue.push(1)
        let producer = try #require(Worker.start(name: "producer") { #expect(!queue.push(2)) })
        try await Worker.run(name: "closer") {
            pause(milliseconds: 20)
            queue.close()
            producer.join()
        }
        #expect(queue.pop() == 1)
        #expect(queue.pop() == nil)
    }

    @Test func aClosedQueueGivesWhatItHoldsAndRefusesMore() {
        let queue = BoundedQueue<Int>(capacity: 4)
        queue.push(1)
        queue.push(2)
        queue.close()
        #expect(!queue.push(3))
        #expect(queue.pop() == 1)
        #expect(queue.popIfAny() == 2)
        #expect(queue.popIfAny() == nil)
        guard case .closed = queue.pop(until: .now) else {
            Issue.record("a closed, empty queue must say so")
            return
        }
    }

    @Test func waitingForAnElementEndsAtTheDeadlineAndNotBefore() async throws {
        let queue = BoundedQueue<Int>(capacity: 1)
        try await Worker.run(name: "consumer") {
            let deadline = Deadline.after(milliseconds: 30)
            guard case .timedOut = queue.pop(until: deadline) else {
                Issue.record("an empty queue has nothing to give")
                return
            }
            // The two clocks may differ by a little.
            #expect((deadline + -2) <= .now)
            queue.push(7)
            guard case .element(7) = queue.pop(until: .now) else {
                Issue.record("an element that is there needs no time")
                return
            }
        }
    }

    @Test func anElementEndsTheWaitForADeadline() async throws {
        let queue = BoundedQueue<Int>(capacity: 1)
        let consumer = try #require(
            Worker.start(name: "consumer") {
                guard case .element(5) = queue.pop(until: .never) else {
                    Issue.record("the element must end the wait")
                    return
                }
            })
        try await Worker.run(name: "producer") {
            pause(milliseconds: 10)
            queue.push(5)
            consumer.join()
        }
    }
}
