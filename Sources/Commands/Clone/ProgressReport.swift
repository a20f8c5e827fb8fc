import Capture
import CommandSupport
import Copying
import Glibc
import Logging
import Migration
import Observability
import Spool
import Threading

/// Tells of a migration while it runs: in a status file each second, and to people. On a terminal some lines are kept up
/// to date; elsewhere there is a line now and then.
struct ProgressReport {
    private let worker: Worker?
    private let ending = StopRequest()
    private let view: TerminalView?
    private let file: StatusFile
    private let progress: CloneProgress
    /// A line each so many seconds where there is no terminal.
    private static let lineSeconds = 10.0

    init(_ progress: CloneProgress, spool: String, isQuiet: Bool, logger: Logger) {
        let spool = SpoolDirectory(spool)
        self.progress = progress
        file = StatusFile(spool.statePath + "/clone-progress.json")
        view =
            isQuiet
            ? nil
            : TerminalView {
                guard let status = try? MigrationStatus(spool, live: progress.snapshot) else { return [] }
                return StatusView.lines(status)
            }
        let (file, hasView) = (file, view != nil)
        worker = Worker.start(name: "progress") { [ending] in
            var warned: UInt64 = 0
            var spoken = 0.0
            while !ending.isRequested {
                let now = progress.snapshot
                if progress.ownsSpool {
                    file.write(JSON.encode(now) + [0x0A])
                    Self.warn(now, spool, &warned, logger)
                }
                if !hasView && now.seconds - spoken >= Self.lineSeconds {
                    spoken = now.seconds
                    if let line = Self.line(now) { logger.info("\(line)") }
                }
                // Following may take months, in which little happens.
                let pause = now.step == "following" ? 2_000 : 1_000
                _ = Polling.wait(ending.descriptor, until: .after(milliseconds: pause))
            }
        }
    }

    func end() {
        ending.request()
        // It has only to leave its wait.
        worker?.join(until: .after(milliseconds: 1_000))
        view?.end()
        if progress.ownsSpool { file.write(JSON.encode(progress.snapshot) + [0x0A]) }
    }

    /// How the copy is doing; the stages speak for themselves.
    private static func line(_ now: ProgressSnapshot) -> String? {
        if now.tablesDone < now.tables {
            var text = "copied \(CloneProgress.size(now.bytes)), \(now.tablesDone) of \(now.tables) tables, "
            text += "\(Int(now.fraction * 100)) %, \(CloneProgress.size(Int(max(0, now.bytesPerSecond))))/s"
            if let left = now.secondsLeft { text += ", about \(Figures.duration(seconds: left)) left" }
            return text
        }
        guard let indexes = now.indexes, indexes.done < indexes.total ?? .max, now.step != "following" else {
            return nil
        }
        let current = indexes.current.isEmpty ? "" : "; now \(indexes.current.joined(separator: "; "))"
        return "made \(indexes.done)\(indexes.total.map { " of \($0)" } ?? "") indexes\(current)"
    }

    /// Says once, and again at each doubling, that the source keeps much WAL.
    private static func warn(_ now: ProgressSnapshot, _ spool: SpoolDirectory, _ warned: inout UInt64, _ logger: Logger)
    {
        guard let limit = now.walWarningBytes, let status = try? MigrationStatus(spool, live: now),
            let retained = status.receive?.retainedBytes, retained >= max(limit, warned == 0 ? 0 : warned * 2)
        else { return }
        warned = max(1, retained)
        for warning in status.warnings { logger.warning("\(warning)") }
    }
}
