import CommandSupport
import Migration

/// What was found on the servers, and what to do about it.
enum FindingTable {
    static func print(_ findings: [Finding]) {
        let marks: [Finding.Status: String] = [.pass: "pass", .warn: "WARN", .fail: "FAIL"]
        Table.print(
            ["", "where", "what", "found"],
            findings.map { [marks[$0.status] ?? "", $0.place.rawValue, $0.check, $0.detail] })
        let remedies = findings.filter { $0.status != .pass }.compactMap { finding in
            finding.remedy.map { "\(finding.place.rawValue), \(finding.check): \($0)" }
        }
        guard !remedies.isEmpty else { return }
        Output.line("\nWhat to do:")
        for remedy in remedies { Output.line("  " + remedy) }
    }
}
