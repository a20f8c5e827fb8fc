import Testing
import Threading

@Suite(.timeLimit(.minutes(1))) struct StopRequestTests {
    @Test func aFailureIsNoWishOfTheUser() {
        let (failed, asked, both) = (StopRequest(), StopRequest(), StopRequest())
        #expect(!failed.isOfUser)
        failed.requestAfterFailure()
        #expect(failed.isRequested && !failed.isOfUser)
        asked.request()
        #expect(asked.isOfUser)
        both.request()
        both.requestAfterFailure()
        #expect(both.isOfUser)
    }

    @Test func theDescriptorIsReadableFromTheRequestOn() {
        let stop = StopRequest()
        #expect(!stop.isRequested)
        #expect(!Polling.wait(stop.descriptor, until: .now).first)
        stop.request()
        stop.request()
        #expect(stop.isRequested)
        for _ in 0..<3 { #expect(Polling.wait(stop.descriptor, until: .now).first) }
    }

    @Test func aRequestEndsAWaitOfAnotherThread() async throws {
        let stop = StopRequest()
        let waiting = try #require(
            Worker.start(name: "waiting") {
                let ready = Polling.wait(-1, stop.descriptor, until: .after(milliseconds: 20_000))
                #expect(!ready.first && ready.second && !ready.third)
            })
        try await Worker.run(name: "stopping") {
            pause(milliseconds: 10)
            stop.request()
            waiting.join()
        }
    }

    @Test func aWakePipeIsReadableUntilDrained() throws {
        let pipe = try #require(WakePipe())
        #expect(!Polling.wait(pipe.readDescriptor, until: .now).first)
        for _ in 0..<100_000 { pipe.wake() }
        #expect(Polling.wait(pipe.readDescriptor, until: .now).first)
        pipe.drain()
        #expect(!Polling.wait(pipe.readDescriptor, until: .now).first)
        pipe.wake()
        #expect(Polling.wait(pipe.readDescriptor, until: .now).first)
    }

    @Test func tasksThatAwaitItGoOn() async {
        let stop = StopRequest()
        let waiting = (0..<20).map { _ in Task { await stop.awaitRequest() } }
        let cancelled = Task { await stop.awaitRequest() }
        cancelled.cancel()
        await cancelled.value
        #expect(!stop.isRequested)
        stop.request()
        for task in waiting { await task.value }
        // After it, nobody waits.
        await stop.awaitRequest()
    }

    /// A request that comes while tasks begin to wait is lost by none.
    @Test func noRequestIsMissed() async {
        for _ in 0..<300 {
            let stop = StopRequest()
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<4 { group.addTask { await stop.awaitRequest() } }
                group.addTask { stop.request() }
                let last = group.addTaskUnlessCancelled { await stop.awaitRequest() }
                #expect(last)
            }
        }
    }
}
