import Catalog
import Postgres
import Threading

/// A look at both servers for which an application waits. It is rehearsed: sessions are opened, and look once, before anybody
/// waits; a server that has its catalog in the session's cache answers in a third of the time.
final class RehearsedLook<Found: Sendable>: Sendable {
    private let isReady = StopRequest()
    private let isWanted = StopRequest()
    private let isGivenUp = StopRequest()
    private let task: Task<Found, any Error>

    /// Begins the rehearsal.
    ///
    /// - Parameters:
    ///   - name: of the thread.
    ///   - look: is given a session of the source and one of the target.
    init(
        _ options: CloneOptions, name: String, _ look: @escaping @Sendable (Connection, Connection) throws -> Found
    ) {
        let (isReady, isWanted, isGivenUp) = (isReady, isWanted, isGivenUp)
        @Sendable func sessions() throws -> (Connection, Connection) {
            (
                try Connection(options.source, applicationName: DatabaseSession.applicationName),
                try Connection(options.target, applicationName: DatabaseSession.applicationName)
            )
        }
        task = Task {
            try await Worker.run(name: name) {
                defer { isReady.request() }
                var opened: (Connection, Connection)?
                do {
                    let (source, target) = try sessions()
                    _ = try look(source, target)
                    opened = (source, target)
                } catch {
                    // When it counts it is done from the beginning, and says by itself what is wrong.
                }
                isReady.request()
                while !isWanted.isRequested {
                    if isGivenUp.isRequested { throw CancellationError() }
                    _ = Polling.wait(isWanted.descriptor, isGivenUp.descriptor, until: .after(milliseconds: 200))
                }
                do {
                    if let (source, target) = opened { return try look(source, target) }
                } catch let error as PostgresError where error.code == .connectionLost {
                    // It was open for as long as whoever pauses the application took.
                }
                let (source, target) = try sessions()
                return try look(source, target)
            }
        }
    }

    /// Waits for the end of the rehearsal.
    func rehearsed() async { await isReady.awaitRequest() }

    /// Looks.
    func look() async throws -> Found {
        isWanted.request()
        return try await task.value
    }

    /// Ends the sessions of one that is not wanted any more.
    func giveUp() { isGivenUp.request() }
}
