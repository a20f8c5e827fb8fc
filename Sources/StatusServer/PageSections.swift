import Apply
import Capture
import Copying
import Migration
import Observability
import Postgres
import Supervision

/// The page's parts.
enum PageSections {
    private static let tablesMax = 12

    static func troubles(_ status: MigrationStatus) -> HTMLText {
        var html = HTMLText()
        guard !status.warnings.isEmpty else { return html }
        html.raw("<section><h2>Look at this</h2><ul class=\"warnings\">")
        for warning in status.warnings { html.element("li", warning) }
        html.raw("</ul></section>")
        return html
    }

    static func lag(_ status: MigrationStatus, _ history: StatusHistory) -> HTMLText {
        var html = HTMLText()
        guard status.journal.phase == .following, status.journal.switchedAt == nil else { return html }
        html.raw("<section><h2>Lag</h2><dl>")
        figure(&html, "Behind the source", status.lagBytes.map { size($0) } ?? "not known")
        if let seconds = status.lagSeconds { figure(&html, "In commit time", "\(Figures.tenths(seconds)) s") }
        if status.running, let receive = status.receive {
            figure(&html, "Received", "\(Figures.grouped(Int(receive.messagesPerSecond))) messages/s")
        }
        if status.running, let replay = status.replay {
            figure(&html, "Applied", "\(Figures.grouped(Int(replay.changesPerSecond))) changes/s")
            if let left = replay.secondsLeft { figure(&html, "Caught up in", Figures.duration(seconds: left)) }
            if let waiting = replay.waitingFor { figure(&html, "Waits for", waiting) }
        }
        if let receive = status.receive {
            if let kept = receive.retainedBytes { figure(&html, "WAL kept on the source", size(kept)) }
            figure(&html, "Log on disk", size(receive.spoolBytes))
        }
        html.raw("</dl>")
        html.append(curve(history))
        html.raw("</section>")
        return html
    }

    /// The lag of the last hour.
    private static func curve(_ history: StatusHistory) -> HTMLText {
        var html = HTMLText()
        let known = history.samples.compactMap { sample in sample.lagBytes.map { (sample.second, $0) } }
        guard let last = history.samples.last?.second, let first = known.first?.0, known.count > 1 else { return html }
        // The first minutes of a migration would be a line at the edge.
        let span = min(StatusHistory.spanSeconds, max(300, last - first))
        let most = max(1, known.map(\.1).max() ?? 1)
        html.raw("<figure><svg viewBox=\"0 0 600 80\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"")
        html.escaped("lag, at most \(size(most))")
        html.raw("\"><polyline points=\"")
        for (second, bytes) in known {
            let x = 600 - (last - second) * 600 / span
            html.number(x)
            html.raw(",")
            html.number(78 - Int(Double(bytes) / Double(most) * 76))
            html.raw(" ")
        }
        html.raw("\"/></svg>")
        html.element("figcaption", "the last \(Figures.duration(seconds: Double(span))), at most \(size(most))")
        html.raw("</figure>")
        return html
    }

    static func copy(_ status: MigrationStatus) -> HTMLText {
        var html = HTMLText()
        guard status.journal.phase == .copying, let now = status.progress, now.tables > 0 else { return html }
        html.raw("<section><h2>Copy</h2>")
        html.bar(now.fraction, "rows copied")
        html.raw("<dl>")
        figure(&html, "Tables", "\(now.tablesDone) of \(now.tables)")
        figure(&html, "Rows", Figures.grouped(now.rows))
        figure(&html, "Bytes", size(UInt64(clamping: now.bytes)))
        if status.running {
            figure(&html, "Rate", "\(size(UInt64(max(0, now.bytesPerSecond))))/s")
            if let left = now.secondsLeft { figure(&html, "Left", Figures.duration(seconds: left)) }
        }
        html.raw("</dl>")
        if !now.current.isEmpty {
            html.raw("<table><thead><tr><th>Table</th><th>Copied</th><th>Rows</th><th></th></tr></thead><tbody>")
            for table in now.current.prefix(tablesMax) {
                html.raw("<tr>")
                html.element("td", table.name)
                html.element("td", size(UInt64(clamping: table.bytes)), class: "number")
                html.element("td", Figures.grouped(table.rows), class: "number")
                html.raw("<td>")
                html.bar(table.fraction, table.name)
                html.raw("</td></tr>")
            }
            html.raw("</tbody></table>")
        }
        if let indexes = now.indexes {
            html.raw("<h3>")
            html.escaped("Indexes: \(indexes.done)" + (indexes.total.map { " of \($0)" } ?? " so far"))
            html.raw("</h3><ul>")
            for name in indexes.current.prefix(tablesMax) { html.element("li", name) }
            html.raw("</ul>")
        }
        html.raw("</section>")
        return html
    }

    static func stages(_ status: MigrationStatus) -> HTMLText {
        var html = HTMLText()
        guard status.running, let stages = status.progress?.stages, !stages.isEmpty else { return html }
        html.raw(
            "<section><h2>Stages</h2><table><thead><tr><th>Stage</th><th>State</th><th>Restarts</th><th>Last end</th></tr></thead><tbody>"
        )
        for stage in stages {
            html.raw("<tr>")
            html.element("td", stage.name)
            html.element("td", "\(stage.state.rawValue), process \(stage.pid)")
            html.element("td", "\(stage.restarts)", class: "number")
            html.element("td", stage.lastEnd.map { "\($0), \(stage.lastEndAt?.prefix(19) ?? "?") UTC" } ?? "")
            html.raw("</tr>")
        }
        html.raw("</tbody></table></section>")
        return html
    }

    /// What was done, once it is.
    static func summary(_ status: MigrationStatus) -> HTMLText {
        var html = HTMLText()
        let journal = status.journal
        guard !journal.steps.isEmpty, !(status.running && journal.phase == .copying) else { return html }
        html.raw("<section><h2>Done so far</h2><table><tbody>")
        for step in journal.steps {
            html.raw("<tr>")
            html.element("td", step.name)
            html.element("td", "\(Figures.tenths(step.seconds)) s", class: "number")
            html.raw("</tr>")
        }
        html.raw("</tbody></table>")
        let (rows, bytes) = journal.tables.reduce(into: (0, 0)) { sum, table in
            sum.0 += table.rows
            sum.1 += table.bytes
        }
        html.element(
            "p",
            "\(journal.tables.count) tables, \(Figures.grouped(rows)) rows, \(size(UInt64(clamping: bytes))) were copied."
        )
        for remark in journal.remarks ?? [] { html.element("p", remark) }
        html.raw("</section>")
        return html
    }

    private static func figure(_ html: inout HTMLText, _ name: String, _ value: String) {
        html.raw("<div>")
        html.element("dt", name)
        html.element("dd", value)
        html.raw("</div>")
    }

    private static func size(_ bytes: UInt64) -> String { CloneProgress.size(Int(clamping: bytes)) }
}
