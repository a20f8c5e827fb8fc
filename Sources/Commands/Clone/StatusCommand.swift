import ArgumentParser
import Capture
import CommandSupport
import Glibc
import Migration
import Observability
import Spool

/// How a migration is doing, from the files in its spool alone.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Say how a migration is doing, from its spool's files.",
        discussion: """
            EXAMPLES
              clone status
              clone status --dir /data/spool --json
            """)

    @Option(help: ArgumentHelp("The spool's folder: log and journal.", valueName: "folder"))
    var dir = "spool"

    @Flag(help: "One JSON object.")
    var json = false

    /// The whole status.
    private struct Status: Encodable {
        var running: Bool
        var journal: CloneJournal
        var progress: CloneProgress.Snapshot?
        var receive: CaptureStatus?
    }

    func run() async throws {
        let spool = SpoolDirectory(dir)
        guard let journal = try CloneJournal.read(spool) else {
            throw ProgramFailure(.inputOutput, "\(dir) holds no journal of a clone; name its folder with --dir")
        }
        let status = Status(
            running: CloneJournal.isRunning(spool), journal: journal,
            progress: try read("clone-progress.json", spool), receive: try read("receive.json", spool))
        if json { return Output.line(JSON.text(status)) }
        show(status)
    }

    private func read<Value: Decodable>(_ name: String, _ spool: SpoolDirectory) throws -> Value? {
        guard let bytes = try? spool.state(name) else { return nil }
        let file = spool.statePath + "/" + name
        return try? bytes.withUnsafeBytes { try JSON.decode($0, what: "the status", file: file) }
    }

    private func show(_ status: Status) {
        let journal = status.journal
        var rows = [
            ["migration", "\"\(journal.source.name)\" to \"\(journal.target.name)\", begun \(journal.started)"],
            ["process", status.running ? "\(journal.pid)" : "not running"],
            ["phase", journal.switchedAt.map { "switched over at \($0)" } ?? journal.phase.rawValue],
        ]
        if let fenced = journal.fencedAt {
            let undo = SourceFence.undo(journal.source.name)
            rows.append(["fence", "the source is read-only since \(fenced); to undo that: \(undo)"])
        }
        if journal.phase == .copying, let progress = status.progress {
            rows.append(["step", progress.step])
            rows.append([
                "rows",
                "\(progress.tablesDone) of \(progress.tables) tables, \(CloneProgress.megabytes(progress.bytes)) copied",
            ])
            if !progress.current.isEmpty { rows.append(["copying", progress.current.joined(separator: ", ")]) }
        }
        if journal.phase != .done, let receive = status.receive {
            rows.append(["received", "\(receive.received), \(receive.lagBytes.map(String.init) ?? "?") bytes behind"])
            rows.append(["log", CloneProgress.megabytes(Int(clamping: receive.spoolBytes))])
            if let retained = receive.retainedBytes {
                rows.append(["slot keeps", "\(CloneProgress.megabytes(Int(clamping: retained))) of WAL on the source"])
            }
        }
        for stage in status.running ? status.progress?.stages ?? [] : [] {
            var text = "\(stage.state.rawValue), process \(stage.pid)"
            if stage.restarts > 0 { text += ", started again \(stage.restarts) times" }
            if let end = stage.lastEnd { text += "; \(end) at \(stage.lastEndAt ?? "?")" }
            rows.append([stage.name, text])
        }
        for row in rows { Output.line(row[0] + String(repeating: " ", count: 12 - row[0].count) + row[1]) }
    }
}
