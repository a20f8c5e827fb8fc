import Copying
import Logging
import Observability
import Supervision
import Synchronization
import Threading

/// The stages as children of a switchover, where no clone follows.
final class OwnFollower: Sendable {
    private let stop = StopRequest()
    private let end = Mutex<Result<StageFailure?, any Error>?>(nil)

    /// Starts them behind a complete copy.
    ///
    /// - Throws: ``ProgramFailure`` when the path of this program cannot be read.
    init(_ options: CloneOptions, progress: CloneProgress, logger: Logger) throws {
        var options = options
        options.end = nil
        // There is nobody to wait for who could do something about it.
        options.stopsWhenBlocked = true
        let pipeline = try options.makePipeline(progress, logger)
        Task {
            let (isReady, ready) = AsyncStream<Void>.makeStream()
            let result: Result<StageFailure?, any Error>
            do {
                result = .success(
                    try await pipeline.follow(stop, isReady: isReady, onFailure: {}) {
                        ready.yield()
                        ready.finish()
                    })
            } catch {
                result = .failure(error)
            }
            end.withLock { $0 = result }
        }
    }

    /// No stage runs any more.
    var hasEnded: Bool { end.withLock { $0 != nil } }

    /// Throws what ended the stages, if they have ended.
    func check() throws {
        guard let result = end.withLock({ $0 }) else { return }
        guard let failure = try result.get() else {
            throw ProgramFailure(.incomplete, "the stages have ended before the switchover was complete")
        }
        throw ProgramFailure(
            failure.code == 0 ? .incomplete : ExitStatus(rawValue: failure.code) ?? .failure,
            "\(failure.words); its message is above")
    }

    /// Asks the stages to end.
    func requestEnd() { stop.request() }
}
