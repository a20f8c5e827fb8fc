import Catalog
import Supervision
import Apply
import Capture
import Copying
import Migration
import Observability
import Postgres

/// A migration's status as lines of text: on a terminal while clone runs, and for `clone status`.
struct StatusView {
    private let status: MigrationStatus
    private var lines: [String] = []
    /// So many of the tables that are being copied are shown.
    private static let tablesMax = 8
    private static let labelWidth = 12

    private init(_ status: MigrationStatus) {
        self.status = status
    }

    /// The status in lines; each as long as it must be.
    static func lines(_ status: MigrationStatus) -> [String] {
        var view = StatusView(status)
        view.addHead()
        if status.journal.phase == .copying { view.addCopy() }
        view.addStream()
        view.addStages()
        for warning in status.warnings { view.lines.append("! \(warning)") }
        return view.lines.map { PlainText.line($0) }
    }

    private mutating func add(_ label: String, _ text: String) {
        lines.append(label + String(repeating: " ", count: max(1, Self.labelWidth - label.count)) + text)
    }

    private mutating func addHead() {
        let journal = status.journal
        add("migration", "\"\(journal.source.name)\" to \"\(journal.target.name)\", begun \(journal.started)")
        if status.direction > 1 {
            add(
                "direction",
                status.direction.isMultiple(of: 2)
                    ? "the way back: clone switchback lets applications return"
                    : "forth again, number \(status.direction)")
        }
        add("process", status.running ? "\(journal.pid)" : "not running")
        if !status.running, let end = journal.lastFailure {
            add("ended", "\(end.at.prefix(19)) UTC with code \(end.code): \(end.message)")
        }
        var phase = journal.switchedAt.map { "switched over at \($0)" } ?? journal.phase.rawValue
        if status.running, journal.phase != .done, let progress = status.progress {
            if !progress.step.isEmpty && progress.step != phase { phase += ": \(progress.step)" }
            phase += ", for \(Figures.duration(seconds: progress.seconds))"
        }
        add("phase", phase)
        if let late = status.late { add("left out", "\(late): until the switchover") }
    }

    private mutating func addCopy() {
        guard let now = status.progress, now.tables > 0 else { return }
        var text =
            "\(Self.bar(now.fraction)) \(Self.percent(now.fraction)), \(now.tablesDone) of \(Figures.counted(now.tables, "table"))"
        text += ", \(CloneProgress.size(now.bytes)), \(Figures.counted(now.rows, "row"))"
        if now.tablesDone < now.tables && status.running {
            text += ", \(CloneProgress.size(Int(max(0, now.bytesPerSecond))))/s"
            if let left = now.secondsLeft { text += ", about \(Figures.duration(seconds: left)) left" }
        }
        add("rows", text)
        for table in now.current.prefix(Self.tablesMax) {
            let size = "\(CloneProgress.size(table.bytes)), \(Figures.counted(table.rows, "row"))"
            add("", "\(Self.bar(table.fraction, width: 10)) \(Self.percent(table.fraction)) \(table.name): \(size)")
        }
        if now.current.count > Self.tablesMax { add("", "and \(now.current.count - Self.tablesMax) more") }
        if let indexes = now.indexes {
            add("indexes", "\(indexes.done)" + (indexes.total.map { " of \($0)" } ?? " so far"))
            for name in indexes.current.prefix(Self.tablesMax) { add("", name) }
        }
    }

    private mutating func addStream() {
        guard status.journal.phase != .done else { return }
        if let receive = status.receive {
            let behind = receive.lagBytes.map { CloneProgress.size(Int(clamping: $0)) } ?? "?"
            var text = "\(receive.received), \(behind) behind the source"
            if receive.state != .streaming { text += "; \(receive.state.rawValue)" }
            add("received", text + age)
            add("log", CloneProgress.size(Int(clamping: receive.spoolBytes)))
            if let retained = receive.retainedBytes {
                add("slot keeps", "\(CloneProgress.size(Int(clamping: retained))) of WAL on the source\(age)")
            }
        }
        guard status.journal.phase == .following, let applied = status.applied else { return }
        var text = "\(applied)"
        if let bytes = status.lagBytes { text += ", \(CloneProgress.size(Int(clamping: bytes)))" }
        if let seconds = status.lagSeconds { text += " and \(Figures.tenths(seconds)) s" }
        if status.lagBytes != nil { text += " behind the source" }
        text += age
        if status.running, let replay = status.replay {
            text += ", \(Int(replay.changesPerSecond)) changes/s"
            if let left = replay.secondsLeft { text += ", caught up in about \(Figures.duration(seconds: left))" }
        }
        add("applied", text)
        if status.running, let waiting = status.replay?.waitingFor { add("waiting", waiting) }
    }

    /// Numbers of what has ended are of another time.
    private var age: String {
        guard let asOf = status.asOf, let then = Timestamp(asOf) else { return "" }
        let seconds = max(0, Double(Timestamp.now.rawValue - then.rawValue) / 1_000_000)
        return ", as of \(asOf.prefix(19)) UTC, \(Figures.duration(seconds: seconds)) ago"
    }

    private mutating func addStages() {
        guard status.running, let stages = status.progress?.stages else { return }
        for stage in stages {
            var text = "\(stage.state.rawValue), process \(stage.pid)"
            if stage.restarts > 0 { text += ", started again \(Figures.counted(stage.restarts, "time"))" }
            if let end = stage.lastEnd { text += "; \(end) at \(stage.lastEndAt ?? "?")" }
            add(stage.name, text)
        }
    }

    private static func bar(_ fraction: Double, width: Int = 20) -> String {
        let full = Int((min(1, max(0, fraction)) * Double(width)).rounded(.down))
        return "[" + String(repeating: "#", count: full) + String(repeating: ".", count: width - full) + "]"
    }

    private static func percent(_ fraction: Double) -> String {
        let text = "\(Int((min(1, max(0, fraction)) * 100).rounded(.down))) %"
        return String(repeating: " ", count: max(0, 5 - text.count)) + text
    }
}
