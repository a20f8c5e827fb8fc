import ArgumentParser
import CommandSupport
import Glibc
import Migration
import Observability
import Spool
import Threading

/// How a migration is doing, from the files in its spool alone.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Say how a migration is doing, from its spool's files.",
        discussion: """
            Asks no server. With --watch it goes on until Ctrl-C, or until there is nothing more to do: on a terminal in \
            place, elsewhere with an empty line between two looks.

            EXAMPLES
              clone status
              clone status --watch
              clone status --dir /data/spool --json | jq '.lag_bytes, .warnings'

            EXIT CODES
              0 done; 18 there is no migration in the folder
            """)

    @Option(help: ArgumentHelp("The spool's folder: log and journal.", valueName: "folder"))
    var dir = "spool"

    @Flag(help: "One JSON object; with --watch one a line.")
    var json = false

    @Flag(help: "Go on, and look again each second.")
    var watch = false

    private static let intervalMilliseconds = 1_000

    func run() async throws {
        guard watch else { return show(try status()) }
        let (dir, json) = (dir, json)
        try await Program.run { stop in
            var painter = isatty(1) == 1 && !json ? Painter(1) : nil
            while true {
                let status = try Self.status(dir)
                if painter != nil {
                    painter?.paint(StatusView.lines(status))
                } else {
                    Self.show(status, json: json)
                }
                if stop.isRequested || status.journal.phase == .done { return }
                if painter == nil && !json { Output.line("") }
                _ = Polling.wait(stop.descriptor, until: .after(milliseconds: Self.intervalMilliseconds))
                if stop.isRequested { return }
            }
        }
    }

    private func status() throws -> MigrationStatus { try Self.status(dir) }

    private func show(_ status: MigrationStatus) { Self.show(status, json: json) }

    private static func status(_ dir: String) throws -> MigrationStatus {
        guard let status = try MigrationStatus(SpoolDirectory(dir)) else {
            throw ProgramFailure(.inputOutput, "\(dir) holds no journal of a clone; name its folder with --dir")
        }
        return status
    }

    private static func show(_ status: MigrationStatus, json: Bool) {
        if json { return Output.line(JSON.text(status)) }
        for line in StatusView.lines(status) { Output.line(line) }
    }
}
