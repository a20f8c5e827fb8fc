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
            Asks no server. With --watch it continues until Ctrl-C, or until there is nothing more to do: on a terminal in \
            place, elsewhere with an empty line between two looks.

            EXAMPLES
              clone status
              clone status --watch
              clone status --dir /data/spool --json | jq '.lag_bytes, .warnings'

            EXIT CODES
              0 done; 18 there is no migration in the folder
            """)

    @Option(help: ArgumentHelp("The spool's folder: log and journal.", valueName: "folder"), completion: .directory)
    var dir = "spool"

    @Flag(help: "One JSON object; with --watch one a line.")
    var json = false

    @Flag(help: "Continue, and look again each second.")
    var watch = false

    @Flag(help: "One line for monitoring, and its exit codes: 0 ok, 1 warning, 2 critical, 3 unknown.")
    var check = false

    @Option(help: ArgumentHelp("With --check: more lag is critical.", valueName: "16MB|5s"))
    var maxLag: LagArgument?

    @Option(help: ArgumentHelp("With --check: more WAL kept by the slot is critical.", valueName: "size"))
    var maxWal: ByteCount?

    @Option(
        help: ArgumentHelp(
            "Write metrics for Prometheus into this file, for node_exporter's textfile collector; - for standard output.",
            valueName: "file"), completion: .file())
    var prometheus: String?

    private static let intervalMilliseconds = 1_000

    func validate() throws {
        if !check && (maxLag != nil || maxWal != nil) {
            throw ValidationError("--max-lag and --max-wal go with --check")
        }
        if [check, prometheus != nil, watch].count(where: { $0 }) > 1 {
            throw ValidationError("--check, --prometheus and --watch exclude each other")
        }
    }

    func run() async throws {
        if check { return try checkHealth() }
        if let prometheus { return try write(MigrationMetrics(try status()).text, to: prometheus) }
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

    private func checkHealth() throws {
        let health: MigrationHealth
        do {
            health = MigrationHealth(try status(), maxLag: maxLag?.limit, maxWAL: maxWal?.bytes)
        } catch {
            Output.line("\(MigrationHealth.Level.unknown.word): \(error)")
            throw ExitCode(MigrationHealth.Level.unknown.rawValue)
        }
        Output.line("\(health.level.word): " + health.findings.joined(separator: "; "))
        if health.level != .ok { throw ExitCode(health.level.rawValue) }
    }

    private func write(_ text: String, to file: String) throws {
        guard file != "-" else { return Output.write(text, to: 1) }
        guard StatusFile(file).replace(Array(text.utf8)) else {
            throw ProgramFailure(.inputOutput, "\(file) cannot be written: \(String(cString: strerror(errno)))")
        }
    }

    private func status() throws -> MigrationStatus { try Self.status(dir) }

    private func show(_ status: MigrationStatus) { Self.show(status, json: json) }

    private static func status(_ dir: String) throws -> MigrationStatus {
        guard let status = try MigrationStatus(SpoolDirectory(dir).inPresentDirection()) else {
            throw ProgramFailure(.inputOutput, "\(dir) holds no journal of a clone; name its folder with --dir")
        }
        return status
    }

    private static func show(_ status: MigrationStatus, json: Bool) {
        if json { return Output.line(JSON.text(status)) }
        for line in StatusView.lines(status) { Output.line(line) }
    }
}
