import CommandSupport
import Glibc
import Migration
import Observability
import Spool

/// Tells of a copy while it runs: in a status file each second, and on a terminal in one line that is written over.
struct ProgressReport {
    private let task: Task<Void, Never>

    init(_ progress: CloneProgress, spool: String, isQuiet: Bool) {
        let isShown = isatty(2) == 1 && !isQuiet
        let file = StatusFile(SpoolDirectory(spool).statePath + "/clone-progress.json")
        task = Task {
            var shown = ""
            while !Task.isCancelled {
                let line = progress.line
                file.write(JSON.encode(progress.snapshot) + [0x0A])
                if isShown && line != shown {
                    // Log lines end with a line feed, so that this one is always the last.
                    Output.write("\r\u{1B}[K\(line.prefix(118))\r", to: 2)
                    shown = line
                }
                try? await Task.sleep(for: .milliseconds(isShown ? 250 : 1000))
            }
            file.write(JSON.encode(progress.snapshot) + [0x0A])
        }
    }

    func end() {
        task.cancel()
    }
}
