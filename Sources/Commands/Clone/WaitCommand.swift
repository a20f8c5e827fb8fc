import Copying
import Apply
import ArgumentParser
import CommandSupport
import Migration
import Observability
import Spool
import Threading

/// Waits for a point of a migration.
struct WaitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait", abstract: "Wait until a migration has come to a point, from its spool's files.",
        discussion: """
            EXAMPLES
              clone wait --for caught-up --timeout 3600 && clone switchover --fence

            A target has caught up when it is less than 16 MB behind, as near as a switchover wants it.

            EXIT CODES
              0 it is there; 14 it did not come in time, or a signal came; 16 no clone works on it any more, so that it cannot \
            come
            """)

    /// What to wait for.
    enum Point: String, ExpressibleByArgument, CaseIterable {
        case copied, blocked, switched
        case caughtUp = "caught-up"
    }

    @Option(name: .customLong("for"), help: ArgumentHelp("What to wait for.", valueName: "point"))
    var point: Point

    @Option(help: ArgumentHelp("The spool's folder: log and journal.", valueName: "folder"), completion: .directory)
    var dir = "spool"

    @Option(help: ArgumentHelp("How long to wait. (default: for ever)", valueName: "seconds"))
    var timeout: Int?

    func run() async throws {
        let point = point
        let spool = try SpoolDirectory(dir).inPresentDirection()
        let end = timeout.map { Deadline.after(milliseconds: $0 * 1_000) }
        try await Program.run { stop in
            var wasRunning = false
            // One may be about to be started.
            var patience = Deadline.after(milliseconds: 10_000)
            while true {
                let status = try MigrationStatus(spool)
                if let status {
                    if Self.isReached(point, status) { return }
                    let mayCome = status.running || point == .switched && status.journal.phase != .done
                    if mayCome { patience = .after(milliseconds: 10_000) }
                    if !mayCome && (wasRunning || patience.hasPassed) || status.journal.phase == .done {
                        throw ProgramFailure(
                            .conflict, "no clone works on the migration any more, and it is not \(point.rawValue)")
                    }
                    wasRunning = status.running
                }
                _ = Polling.wait(stop.descriptor, until: .after(milliseconds: 200))
                if stop.isRequested {
                    throw ProgramFailure(.incomplete, "stopped before the migration was \(point.rawValue)")
                }
                if let end, end.hasPassed {
                    throw ProgramFailure(.incomplete, "the migration is not \(point.rawValue) after \(timeout ?? 0) s")
                }
            }
        }
    }

    private static func isReached(_ point: Point, _ status: MigrationStatus) -> Bool {
        let journal = status.journal
        return switch point {
        case .copied: journal.phase != .copying
        case .blocked: status.running && status.progress?.blocked != nil
        case .switched: journal.switchedAt != nil
        case .caughtUp:
            journal.switchedAt != nil || journal.phase == .done && journal.givenUpAt == nil
                || status.running && status.replay?.isRunning == true
                    && (status.lagBytes ?? .max) <= SwitchoverOptions.caughtUpBytes
        }
    }
}
