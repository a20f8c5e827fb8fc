import Observability
import CommandSupport
import Migration

/// What was found on the servers, and what to do about it.
enum FindingTable {
    /// Prints what fails, then what warns, then what passes in one line, then what to do.
    ///
    /// - Parameter showsAll: each check that passes has a line of its own.
    static func print(_ findings: [Finding], showsAll: Bool = true) {
        let marks: [Finding.Status: String] = [.pass: "pass", .warn: "WARN", .fail: "FAIL"]
        let passed = findings.filter { $0.status == .pass }
        // One alone may be all there is to know.
        let isFolded = !showsAll && passed.count > 1
        let order: [Finding.Status] = isFolded ? [.fail, .warn] : [.fail, .warn, .pass]
        let shown = order.flatMap { status in findings.filter { $0.status == status } }
        if !shown.isEmpty {
            Table.print(
                ["", "where", "what", "found"],
                shown.map { [marks[$0.status] ?? "", $0.place.rawValue, $0.check, $0.detail] })
        }
        if isFolded {
            Output.line("pass  \(Figures.counted(passed.count, "check")): \(names(passed)) (--all shows each)")
        }
        printRemedies(shown.filter { $0.status != .pass })
    }

    /// Each name once.
    private static func names(_ findings: [Finding]) -> String {
        var seen: Set<String> = []
        return findings.map(\.check).filter { seen.insert($0).inserted }.joined(separator: ", ")
    }

    private static func printRemedies(_ findings: [Finding]) {
        let remedies = findings.compactMap { finding in
            finding.remedy.map { "\(finding.place.rawValue), \(finding.check): \($0)" }
        }
        if !remedies.isEmpty {
            Output.line("\nWhat to do:")
            for remedy in remedies { Output.line("  " + remedy) }
        }
        for place in [Finding.Place.source, .target] {
            let statements = findings.filter { $0.place == place }.flatMap { $0.statements ?? [] }
            guard !statements.isEmpty else { continue }
            // At the margin, so that all of it can be pasted into psql.
            Output.line("\nTo run on the \(place.rawValue), all of it or a part:\n")
            for statement in statements { Output.line(statement) }
        }
    }
}
