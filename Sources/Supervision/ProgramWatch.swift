import Catalog
import Logging
import Postgres
import Threading

/// Says for whom the sessions of pg_dump or pg_restore wait, while one of these runs.
package final class ProgramWatch: Sendable {
    private static let firstMilliseconds = 10_000
    private static let lookMilliseconds = 5_000
    private static let againMilliseconds = 60_000

    private let stopping = StopRequest()

    /// Starts watching what the program does on a server. One that cannot be watched is let be.
    package init(_ name: String, _ server: ConnectionString, _ logger: Logger) {
        _ = Worker.start(name: "program watch") { [stopping] in
            do {
                try Self.watch(name, server, stopping, logger)
            } catch {
                logger.debug("what \(name) waits for cannot be seen: \(error)")
            }
        }
    }

    /// Ends watching.
    package func end() { stopping.request() }

    private static func watch(
        _ name: String, _ server: ConnectionString, _ stopping: StopRequest, _ logger: Logger
    ) throws {
        guard !stopping.isRequested(by: .after(milliseconds: firstMilliseconds)) else { return }
        let session = try Connection(server, applicationName: "walrelay watch")
        var sayAt = Deadline.now
        while true {
            if sayAt.hasPassed, let words = try session.waits(of: DatabaseSession.applicationName) {
                logger.warning("\(name) waits for \(words)")
                sayAt = .after(milliseconds: againMilliseconds)
            }
            if stopping.isRequested(by: .after(milliseconds: lookMilliseconds)) { return }
        }
    }
}
