import CommandSupport
import Copying
import Migration

/// The closing tables of a copy: times by step, and by table.
struct CopySummary {
    private let journal: CloneJournal

    init(_ journal: CloneJournal) {
        self.journal = journal
    }

    func print(seconds: Double?) {
        let tables = journal.tables.sorted { $0.seconds > $1.seconds }
        if !tables.isEmpty {
            Table.print(
                ["table", "rows", "size", "seconds"],
                tables.map { [$0.name, String($0.rows), CloneProgress.megabytes($0.bytes), Self.text($0.seconds)] },
                alignedRight: [1, 2, 3])
            Output.line("")
        }
        var steps = journal.steps.map { [$0.name, Self.text($0.seconds)] }
        if let seconds { steps.append(["this run", Self.text(seconds)]) }
        Table.print(["step", "seconds"], steps, alignedRight: [1])
        if journal.late == .waiting {
            Output.line(
                "\nForeign keys, triggers and rules are left out on the target until the switchover (--triggers late).")
        }
        guard let remarks = journal.remarks else { return }
        Output.line("\nNot as on the source:")
        for (index, remark) in remarks.enumerated() { Output.line("  \(index + 1). \(remark)") }
    }

    /// Seconds with two decimals.
    static func text(_ seconds: Double) -> String {
        let hundredths = Int((seconds * 100).rounded())
        let fraction = String("0\(hundredths % 100)".suffix(2))
        return "\(hundredths / 100).\(fraction)"
    }
}
