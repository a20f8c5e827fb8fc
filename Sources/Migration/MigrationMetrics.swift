import Supervision
import Copying
import Catalog
import Apply
import Capture
import Observability
import Postgres

/// A migration's state in the text format of Prometheus
/// (https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4).
public struct MigrationMetrics: Sendable {
    /// The text.
    public private(set) var text = ""
    private let labels: String

    /// The metrics of a migration.
    public init(_ status: MigrationStatus) {
        labels = "slot=\(Self.label(status.journal.slot)),database=\(Self.label(status.journal.source.name))"
        let journal = status.journal
        gauge("walrelay_running", "1 while a clone works on the migration.", status.running ? 1 : 0)
        header("walrelay_phase", "gauge", "1 for the phase that the migration is in.")
        let phase = journal.switchedAt == nil ? journal.phase.rawValue : "switched"
        for name in ["copying", "following", "switched", "done"] {
            line("walrelay_phase", "phase=\(Self.label(name))", name == phase ? 1 : 0)
        }
        gauge("walrelay_blocked", "1 while the target refuses a change.", status.progress?.blocked == nil ? 0 : 1)
        gauge("walrelay_warnings", "What clone status warns of.", Double(status.warnings.count))
        gauge(
            "walrelay_definitions_changed", "Definitions that changed on one side alone.",
            Double(status.drift?.items.count ?? 0))
        if let now = status.progress, now.tables > 0, journal.phase == .copying {
            gauge("walrelay_copy_tables", "Tables to copy.", Double(now.tables))
            gauge("walrelay_copy_tables_done", "Tables that are copied.", Double(now.tablesDone))
            gauge("walrelay_copy_bytes", "Bytes copied so far.", Double(now.bytes))
            gauge("walrelay_copy_rows", "Rows copied so far.", Double(now.rows))
        }
        addStream(status)
        addStages(status)
    }

    private mutating func addStream(_ status: MigrationStatus) {
        // Numbers of a process that has ended are of another time.
        guard status.running else { return }
        if let lag = status.lagBytes {
            gauge("walrelay_lag_bytes", "WAL between the source's end and the target's position.", Double(lag))
        }
        if let lag = status.lagSeconds {
            gauge(
                "walrelay_lag_seconds",
                "How much earlier than the last transaction received the last one applied was committed.", lag)
        }
        if let receive = status.receive {
            if let kept = receive.retainedBytes {
                gauge("walrelay_slot_retained_bytes", "WAL that the slot makes the source keep.", Double(kept))
            }
            gauge("walrelay_log_bytes", "Size of the log on disk.", Double(receive.spoolBytes))
            counter("walrelay_received_transactions_total", "Transactions received.", Double(receive.transactions))
            gauge(
                "walrelay_received_lsn", "Position up to which changes are received.", Double(receive.received.rawValue)
            )
        }
        if let replay = status.replay {
            counter("walrelay_applied_transactions_total", "Transactions applied.", Double(replay.transactions))
            counter("walrelay_applied_changes_total", "Changes applied.", Double(replay.changes))
            counter("walrelay_applied_batches_total", "Batches applied.", Double(replay.batches))
            counter(
                "walrelay_reconnections_total", "Connections to the target made again.", Double(replay.reconnections))
            if let latency = replay.latency { add(latency) }
        }
        if let applied = status.applied {
            gauge("walrelay_applied_lsn", "Position of the target.", Double(applied.rawValue))
        }
    }

    private mutating func add(_ latency: ApplyLatency) {
        let name = "walrelay_apply_latency_seconds"
        header(
            "walrelay_apply_latency_seconds", "histogram",
            "Time from a commit on the source to that of its batch on the target.")
        var count = 0
        for (index, batches) in latency.counts.enumerated() {
            count += batches
            let bound = index < ApplyLatency.bounds.count ? "\(ApplyLatency.bounds[index])" : "+Inf"
            line("\(name)_bucket", "le=\(Self.label(bound))", Double(count))
        }
        line("\(name)_sum", nil, latency.seconds)
        line("\(name)_count", nil, Double(count))
    }

    private mutating func addStages(_ status: MigrationStatus) {
        guard let stages = status.progress?.stages, !stages.isEmpty else { return }
        header("walrelay_stage_up", "gauge", "1 while the stage's process runs.")
        for stage in stages {
            line(
                "walrelay_stage_up", "stage=\(Self.label(stage.name))",
                status.running && stage.state == .running ? 1 : 0)
        }
        header("walrelay_stage_restarts_total", "counter", "How often the stage was started again.")
        for stage in stages {
            line("walrelay_stage_restarts_total", "stage=\(Self.label(stage.name))", Double(stage.restarts))
        }
    }

    private mutating func gauge(_ name: String, _ help: String, _ value: Double) {
        header(name, "gauge", help)
        line(name, nil, value)
    }

    private mutating func counter(_ name: String, _ help: String, _ value: Double) {
        header(name, "counter", help)
        line(name, nil, value)
    }

    private mutating func header(_ name: String, _ type: String, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }

    private mutating func line(_ name: String, _ more: String?, _ value: Double) {
        let number = value == value.rounded() && abs(value) < 9e15 ? String(Int64(value)) : String(value)
        text += "\(name){\(labels)\(more.map { "," + $0 } ?? "")} \(number)\n"
    }

    /// A label's value: backslash, quote and line end are escaped.
    private static func label(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.append(character)
            }
        }
        return "\"\(result)\""
    }
}
