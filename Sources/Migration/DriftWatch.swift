import Capture
import Catalog
import Comparison
import Logging
import Observability
import Postgres
import Selection
import Spool
import Threading

/// Looks now and then whether both sides still have the same definitions, while the source's changes are followed.
public struct DriftWatch: Sendable {
    /// What was found last; `state/drift.json` in the spool.
    public struct Report: Codable, Sendable {
        /// When both sides were looked at, in UTC.
        public var checkedAt: String
        /// What was found.
        public var items: [Drift.Item]

        enum CodingKeys: String, CodingKey {
            case items
            case checkedAt = "checked_at"
        }

        static let file = "drift.json"
    }

    private let options: CloneOptions
    private let logger: Logger
    private let spool: SpoolDirectory

    init(_ options: CloneOptions, logger: Logger) {
        self.options = options
        self.logger = logger
        spool = SpoolDirectory(options.spool)
    }

    /// Looks at once, and then again after each interval, until the task is cancelled.
    func run() async {
        guard options.driftSeconds > 0 else { return }
        var known: Set<Drift.Item> = []
        var trouble = ""
        while !Task.isCancelled {
            do {
                if let drift = try await Worker.run(name: "drift", { [self, known] in try lookAndTell(known) }) {
                    known = Set(drift.items)
                }
                trouble = ""
            } catch {
                // A server that is away is the stages' trouble too, and they say so.
                let words = "\(error)"
                if words != trouble { logger.info("cannot look whether definitions changed: \(words)") }
                trouble = words
            }
            try? await Task.sleep(for: .seconds(options.driftSeconds))
        }
    }

    private func lookAndTell(_ known: Set<Drift.Item>) throws -> Drift? {
        guard let journal = try CloneJournal.read(spool), journal.phase == .following else { return nil }
        let drift = try Self.look(options, journal)
        for item in drift.items where !known.contains(item) {
            logger.warning("definitions changed: \(item.sentence)")
        }
        let gone = known.subtracting(drift.items)
        if !gone.isEmpty { logger.info("definitions are the same again: \(Figures.some(gone.map(\.name).sorted()))") }
        let report = Report(checkedAt: Timestamp.now.description, items: drift.items)
        try spool.replaceState(Report.file, with: JSON.encode(report) + [0x0A])
        return drift
    }

    /// Compares both sides now.
    static func look(_ options: CloneOptions, _ journal: CloneJournal) throws -> Drift {
        let source = try Connection(options.source, applicationName: DatabaseSession.applicationName)
        let target = try Connection(options.target, applicationName: DatabaseSession.applicationName)
        return try look(options, journal, source, target)
    }

    static func look(
        _ options: CloneOptions, _ journal: CloneJournal, _ source: Connection, _ target: Connection
    ) throws -> Drift {
        try Drift.look(
            journal.comparedCopy(SpoolDirectory(options.spool)), options.adopting(journal).selection(), source, target)
    }
}

extension CloneJournal {
    /// The publications that send the changes.
    public var sendingPublications: [String] {
        publications.isEmpty ? Source.ownPublications(of: slot) : publications
    }
}
