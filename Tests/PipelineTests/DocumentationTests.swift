import TestSupport
import Testing

/// What is made from the programs' own descriptions: the reference, manual pages, completions.
@Suite(.timeLimit(.minutes(5)))
struct DocumentationTests {
    /// Alerts and the dashboard ask for no metric that there is not.
    @Test(arguments: ["prometheus-alerts.yml", "grafana-dashboard.json"]) func examplesKnowTheMetrics(_ file: String)
        throws
    {
        let reference = try RepositoryFile.text("docs/reference.md")
        let words = try RepositoryFile.text("docs/examples/" + file).split { !$0.isLetter && !$0.isNumber && $0 != "_" }
        let metrics = Set(words.filter { $0.hasPrefix("walrelay_") })
        #expect(metrics.count > 5)
        for metric in metrics {
            let name = metric.hasSuffix("_bucket") ? metric.dropLast("_bucket".count) : metric
            #expect(reference.contains("| `\(name)` |"), "\(file) has \(metric)")
        }
    }

    /// Every option, exit code, metric and key of the status is compared with the sources.
    @Test func theReferenceIsUpToDate() async throws {
        let folder = try Program.path(of: "walrelay").split(separator: "/").dropLast().joined(separator: "/")
        let check = try await Program.run(
            "/bin/bash", [RepositoryFile.path("tools/reference"), "--check"],
            environment: ["WALRELAY_BIN_DIR": "/" + folder])
        #expect(check.succeeded, "\(check)")
    }

    @Test func everyCommandHasAManualPage() async throws {
        let folder = try TemporaryFolder("manual")
        let script = RepositoryFile.path("tools/manual.d/man.py")
        try await Program.shell(
            "python3 '\(script)' \"$(command -v walrelay)\" '\(folder.path)' 1.2.3 1700000000"
        ).checked("man.py")
        let names = try await Program.shell("cd '\(folder.path)' && ls").checked("ls").outputLines
        for name in UsageTests.programs.map({ "walrelay-\($0).1" })
            + ["walrelay.1", "walrelay-clone-status.1", "walrelay-clone-switchover.1", "walrelay-inspect-show.1"]
        {
            #expect(names.contains(name), "\(names)")
        }
        #expect(!names.contains { $0.contains("exec") || $0.contains("help") }, "\(names)")
        let page = String(decoding: try folder.read("walrelay-clone-status.1"), as: UTF8.self)
        #expect(page.contains(#"\fB\-\-max\-lag\fR \fI16MB|5s\fR"#), "\(page)")
        #expect(page.contains("\nwalrelay clone status \\-\\-watch\n"), "\(page)")
    }

    /// The words that bash offers for a line; the last word is the one that is completed.
    @Test(arguments: [
        (["walrelay", "cl"], "clone"), (["walrelay", "clone", "sw"], "switchover"),
        (["walrelay", "clone", "--fol"], "--follow"),
        (["walrelay", "clone", "--table-jobs", "2", "--fol"], "--follow"),
        (["walrelay", "clone", "copy", "--fol"], "--follow"), (["walrelay", "clone", "status", "--wat"], "--watch"),
        (["walrelay", "clone", "--dir", "/usr/bi"], "/usr/bin"), (["walrelay", "clone", "--triggers", "la"], "late"),
        (["walrelay", "inspect", "list", "/usr/bi"], "/usr/bin"), (["walrelay", "replay", "--spo"], "--spool"),
    ])
    func bashCompletes(_ words: [String], _ expected: String) async throws {
        let script = RepositoryFile.path("tools/manual.d/completions.py")
        let line = words.joined(separator: " ")
        let folder = try TemporaryFolder("completion")
        let file = folder.path("walrelay.bash")
        let found = try await Program.shell(
            """
            python3 '\(script)' "$(command -v walrelay)" bash >'\(file)'
            . '\(file)'
            COMP_WORDS=(\(line)) COMP_CWORD=\(words.count - 1) COMP_LINE='\(line)' COMP_POINT=\(line.utf8.count)
            _walrelay walrelay '\(words[words.count - 1])' '\(words[words.count - 2])'
            printf '%s\\n' "${COMPREPLY[@]}"
            """
        ).checked("completion")
        #expect(found.outputLines.contains(expected), "\(found)")
    }
}
