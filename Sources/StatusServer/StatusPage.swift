import Copying
import Catalog
import Migration
import Observability
import Postgres

/// The page at `/`: what a tired person needs to see, the most important first. It stands by itself, and shows the state
/// without any script, too.
struct StatusPage {
    private let look: StatusFeed.Look
    private let nonce: String

    init(_ look: StatusFeed.Look, nonce: String) {
        self.look = look
        self.nonce = nonce
    }

    /// The page.
    var text: String {
        var page = HTMLText()
        page.raw("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">")
        page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")
        page.raw("<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>")
        page.element("title", title)
        page.raw("<style nonce=\"")
        page.escaped(nonce)
        page.raw("\">")
        page.raw(PageAssets.style)
        page.raw("</style></head><body>")
        page.raw(
            "<p class=\"lost\" role=\"alert\">The server that fills this page does not answer: these numbers are old.</p>"
        )
        page.append(main)
        page.raw("<script nonce=\"")
        page.escaped(nonce)
        page.raw("\">")
        page.raw(PageAssets.script)
        page.raw("</script></body></html>\n")
        return page.text
    }

    private var title: String {
        guard let status = look.status else { return "walrelay" }
        return "\(MigrationVerdict(status).kind.rawValue) – \(status.journal.source.name) – walrelay"
    }

    private var main: HTMLText {
        var html = HTMLText()
        html.raw("<main>")
        if let trouble = look.trouble {
            html.element("p", "The status cannot be read: \(trouble)", class: "verdict trouble")
        }
        if let status = look.status {
            html.append(head(status))
            html.append(PageSections.troubles(status))
            html.append(PageSections.lag(status, look.history))
            html.append(PageSections.copy(status))
            html.append(PageSections.stages(status))
            html.append(PageSections.summary(status))
            html.append(foot(status))
        }
        html.raw("</main>")
        return html
    }

    private func head(_ status: MigrationStatus) -> HTMLText {
        let (journal, verdict) = (status.journal, MigrationVerdict(status))
        var html = HTMLText()
        html.raw("<header><h1>")
        html.escaped("\(journal.source.name) → \(journal.target.name)")
        html.raw("</h1>")
        var phase = journal.switchedAt == nil ? journal.phase.rawValue : "switched over"
        if status.running, let progress = status.progress, !progress.step.isEmpty, progress.step != phase {
            phase += ": \(progress.step)"
        }
        html.element("p", phase, class: "phase")
        html.raw("</header><section class=\"verdict ")
        html.escaped(verdict.kind.rawValue)
        html.raw("\" aria-live=\"polite\">")
        html.element("p", verdict.text, class: "what")
        html.element("p", verdict.next)
        html.raw("</section>")
        return html
    }

    private func foot(_ status: MigrationStatus) -> HTMLText {
        var html = HTMLText()
        html.raw("<footer><p>")
        html.escaped("Begun \(status.journal.started.prefix(19)) UTC, slot \(status.journal.slot), ")
        if let asOf = status.asOf {
            html.escaped("numbers as of \(asOf.prefix(19)) UTC")
        } else {
            html.escaped("page of \(Timestamp.now.description.prefix(19)) UTC")
        }
        html.raw("</p></footer>")
        return html
    }
}
