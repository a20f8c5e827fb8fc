import ArgumentParser
import CommandSupport
import Observability
import Spool

struct VerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Read every byte of a spool or of segments, and say how each segment is.",
        discussion: """
            States: OK, OPEN (being written), TORN (ends in the middle; receive cuts it when it continues), GAP (the \
            segment before it is missing), CORRUPT, FOREIGN (another source), TIMELINE-SWITCH, UNREADABLE (the system \
            returned an error). For damage, the chunk's offset and the range of transactions that it took are named.
            """
    )

    @Argument(help: "A spool's folder, or segment files.", completion: .file())
    var paths: [String]

    @Flag(help: "One JSON object a segment.")
    var json = false

    func run() async throws {
        let paths = self.paths
        let json = self.json
        let reports = try await Program.run { _ -> [SegmentReport] in
            var reports: [SegmentReport] = []
            for path in paths {
                let found =
                    switch try PathKind(path) {
                    case .folder: try SegmentVerifier().verify(SpoolDirectory(path))
                    case .file: [SegmentVerifier().verify(path: path)]
                    }
                found.forEach { VerifyCommand.show($0, json: json) }
                reports += found
            }
            return reports
        }
        let unsound = reports.filter { !$0.isSound }
        if let first = unsound.first {
            throw ProgramFailure(
                VerifyCommand.status(unsound.map(\.state)),
                "\(unsound.count) of \(reports.count) segments are not sound; the first is \(first.file): "
                    + "\(first.state.rawValue)")
        }
    }

    /// A torn tail is what a crash leaves, or a writer between two writes; it is no damage. Neither is a disk that
    /// cannot be read, as far as anybody knows.
    private static func status(_ states: [SegmentReport.State]) -> ExitStatus {
        if states.contains(where: { $0 != .torn && $0 != .unreadable }) { return .corrupt }
        return states.contains(.unreadable) ? .inputOutput : .incomplete
    }

    private static func show(_ report: SegmentReport, json: Bool) {
        if json { return Output.line(JSON.text(report)) }
        var line = "\(report.state.rawValue)  \(report.fileName)"
        if let start = report.start, let end = report.end {
            line += "  \(start)–\(end)  \(report.transactions) transactions, \(report.changes) changes"
        }
        if let message = report.message {
            line += "  " + (report.offset.map { "at offset \($0): " } ?? "") + message
        }
        if let lost = report.lostRange { line += "; " + lost }
        Output.line(line)
    }
}
