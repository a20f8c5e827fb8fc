import Capture
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
        if !gone.isEmpty { logger.info("definitions are the same again: \(Preflight.some(gone.map(\.name).sorted()))") }
        let report = Report(checkedAt: Timestamp.now.description, items: drift.items)
        try spool.replaceState(Report.file, with: JSON.encode(report) + [0x0A])
        return drift
    }

    /// Compares both sides now.
    static func look(_ options: CloneOptions, _ journal: CloneJournal) throws -> Drift {
        let source = try Connection(options.source, applicationName: TargetDatabase.applicationName)
        let target = try Connection(options.target, applicationName: TargetDatabase.applicationName)
        return try look(options, journal, source, target)
    }

    static func look(
        _ options: CloneOptions, _ journal: CloneJournal, _ source: Connection, _ target: Connection
    ) throws -> Drift {
        // What holds a table's lock for long must not hold this up.
        for connection in [source, target] { try connection.set("lock_timeout", to: "5s") }
        let spool = SpoolDirectory(options.spool)
        let ours = try CatalogFacts.read(source, publications: journal.sendingPublications)
        let theirs = try CatalogFacts.read(target, publications: [])
        var base = try CatalogBase.read(spool) ?? CatalogBase(source: ours)
        if base.target == nil {
            // Begun by a version that did not look.
            base.target = theirs
            try base.write(spool)
        }
        let selection = try options.adopting(journal).selection()
        let objects = selection.includesAllObjects ? nil : try SourceObjects(on: source, selection)
        let drift = Drift(
            source: ours, target: theirs, base: (base.source, base.target ?? theirs), isShared: journal.existing != nil
        ) { key in objects?.includes(key) ?? true }
        if base.takeOver(ours, theirs) { try base.write(spool) }
        return drift
    }
}

// Without a migration.
extension DriftWatch {
    /// Compares both sides now, whether a migration's journal is there or not. Without one, what the versions do not write
    /// alike counts as equal.
    static func look(_ options: CloneOptions, _ source: Connection, _ target: Connection) throws -> Drift {
        if let journal = try CloneJournal.read(SpoolDirectory(options.spool)), journal.phase != .copying {
            return try look(options, journal, source, target)
        }
        let (ours, theirs) = (
            try CatalogFacts.read(source, publications: []), try CatalogFacts.read(target, publications: [])
        )
        let selection = try options.selection()
        let objects = selection.includesAllObjects ? nil : try SourceObjects(on: source, selection)
        return Drift(source: ours, target: theirs, base: (ours, theirs)) { key in objects?.includes(key) ?? true }
    }
}

extension SourceObjects {
    /// What the fact is about is moved. What the source does not have is judged by its name.
    fileprivate func includes(_ key: CatalogFacts.Key) -> Bool {
        guard let name = key.relation else { return selection.includes(schema: key.schema) }
        if let relation = byName[Quoting.qualified(key.schema, name)] { return includes(relation) }
        return key.kind == .table || key.isPart
            ? selection.includes(schema: key.schema, table: name)
            : selection.includesObject(schema: key.schema, name: name)
    }
}

extension CloneJournal {
    /// The publications that send the changes.
    var sendingPublications: [String] {
        publications.isEmpty ? Source.ownPublications(of: slot) : publications
    }
}
