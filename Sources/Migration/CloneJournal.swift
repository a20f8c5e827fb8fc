import Catalog
import Glibc
import Observability
import Postgres
import Spool

/// How far a migration has come; the contents of `state/clone.json` in the spool. Replaced durably before each step
/// that another run must know of.
public struct CloneJournal: Codable, Sendable, Equatable {
    /// How far it is.
    public enum Phase: String, Codable, Sendable {
        /// Something of the copy may be on the target, and of the slot on the source. It cannot be resumed.
        case copying
        /// The copy is complete; the changes since then are applied from the log.
        case following
        /// Nothing is left to be done.
        case done
    }

    /// How long something took.
    public struct Step: Codable, Sendable, Equatable {
        /// What was done.
        public var name: String
        /// How long it took.
        public var seconds: Double
    }

    /// The copy of one table.
    public struct Table: Codable, Sendable, Equatable {
        /// Schema and name, as SQL writes them.
        public var name: String
        /// Rows copied.
        public var rows: Int
        /// Bytes of them, in COPY's text form.
        public var bytes: Int
        /// How long it took.
        public var seconds: Double
        /// Changes of it count only after this position, because it was copied again when an earlier copy had been
        /// interrupted; nil for those after the copy's own point.
        public var after: LSN?
    }

    /// How a run ended that failed.
    public struct Failure: Codable, Sendable, Equatable {
        /// When, in UTC.
        public var at: String
        /// Its exit code.
        public var code: Int32
        /// Its last line.
        public var message: String
    }

    /// The version of the journal.
    public var format: Int = CloneJournal.currentFormat
    /// Names this migration on its target; nil in journals of version 0.1.
    public var id: String?
    /// How far the migration is.
    public var phase = Phase.copying
    /// The process that wrote this.
    public var pid = getpid()
    /// The program that wrote this.
    public var tool: String
    /// When the migration began, in UTC.
    public var started: String
    /// The source.
    public var source: DatabaseIdentity
    /// The target, which was empty when the migration began.
    public var target: DatabaseIdentity
    /// Changes are followed after the copy.
    public var follows: Bool
    /// The slot on the source.
    public var slot: String
    /// The name of the target's position.
    public var stream: String
    /// The publications that the user named; empty for those that were made with the slot.
    public var publications: [String]
    /// Extensions that were on the target before.
    public var extensions: [String]
    /// The text of the filter file; nil when everything is moved.
    public var filters: String?
    /// Large objects stay where they are.
    public var skipsLargeObjects: Bool?
    /// How much of the log stays that the target has; nil when nobody has said.
    public var keepLog: KeepLog?
    /// The point of the copy: every commit after it comes from the log.
    public var consistentPoint: LSN?
    /// The tables to copy, once their definitions are on the target; nil before.
    public var planned: [String]?
    /// How far the copy is; nil before all rows are on the target.
    public var copied: CopyStep?
    /// What the copy could not make as it is on the source, and what to do about that.
    public var remarks: [String]?
    /// Materialized views that could not be filled, named as SQL writes them.
    public var unfilledViews: [String]?
    /// How far foreign keys, triggers and rules are that come in the switchover; nil where they come with the copy.
    public var late: LateDefinitions.State?
    /// Foreign keys that the switchover has made and that are not yet validated, as the statements that do it.
    public var unvalidated: [String]?
    /// What was in the target's database before, as the statements that would drop it; nil where it was empty.
    public var existing: [String]?
    /// The steps that are done.
    public var steps: [Step] = []
    /// The tables that are copied.
    public var tables: [Table] = []
    /// The end position of the switchover that is done.
    public var switchedAt: LSN?
    /// The end position of a switchover that has begun to let applications use the target, by the program that is told of
    /// events. Only the same command may continue: it is not known whether they do.
    public var releasing: LSN?
    /// Materialized views that are to be refreshed after the switchover, named as SQL writes them.
    public var unrefreshed: [String]?
    /// What was made for the other direction. The migration goes on in that one when this one is switched over.
    public var wayBack: WayBack?
    /// The target was not filled by a copy of this migration: what is there is never dropped.
    public var adopted: Bool?
    /// The end position is on the target, with the sequences; slot and position are not needed any more.
    public var isEnding: Bool?
    /// How the last run ended; nil while one runs, and after one that did not fail.
    public var lastFailure: Failure?
    /// When `clone cleanup` gave up a migration that was not switched over, in UTC: nothing has come to the target since.
    public var givenUpAt: String?
    /// When a switchover made the source read-only, in UTC; nil once that is undone.
    public var fencedAt: String?

    enum CodingKeys: String, CodingKey {
        case format, id, phase, pid, tool, started, source, target, follows, slot, publications, extensions,
            filters, planned, copied, steps, tables, remarks, late, unvalidated, existing, releasing, unrefreshed,
            adopted
        // What version 0.1 called it.
        case stream = "origin"
        case consistentPoint = "consistent_point"
        case switchedAt = "switched_at"
        case givenUpAt = "given_up_at"
        case unfilledViews = "unfilled_views"
        case skipsLargeObjects = "skips_large_objects"
        case isEnding = "is_ending"
        case fencedAt = "fenced_at"
        case lastFailure = "last_failure"
        case wayBack = "way_back"
        case keepLog = "keep_log"
    }

    /// The position of the last of several snapshots; nil when all tables are of the copy's point.
    var laterPoint: LSN? { tables.compactMap(\.after).max() }

    /// Bytes of all tables.
    var bytes: Int { tables.reduce(0) { $0 + $1.bytes } }

    /// An interrupted copy can be resumed: all rows are on the target; or definitions and some rows are, and the
    /// slot has kept every change since the copy's point. Publications of others may send a partition's changes under the
    /// name of the table above it, where its own position would not be found.
    var isResumable: Bool {
        // What would be dropped on the way could be what was there before.
        guard phase == .copying, existing == nil, !follows || consistentPoint != nil else { return false }
        if hasCopied(.rows) { return true }
        return follows && publications.isEmpty && planned?.allSatisfy { !$0.contains(where: \.isNewline) } ?? false
    }

    /// The copy has come so far, or further.
    func hasCopied(_ step: CopyStep) -> Bool { copied.map { $0 >= step } ?? false }

    /// Format 1 had a flag for each step of the copy.
    private static let currentFormat = 2

    private static let file = "clone.json"
    /// The journal's filters, for `transform` and `replay`.
    static let filterFile = "filters.ini"

    /// The journal of a spool; nil when no migration began there.
    ///
    /// - Throws: `SpoolError` when it cannot be read.
    public static func read(_ spool: SpoolDirectory) throws -> CloneJournal? {
        guard let bytes = try spool.state(file) else { return nil }
        let path = spool.statePath + "/" + file
        var journal: CloneJournal = try bytes.withUnsafeBytes { all in
            try JSON.decode(all, what: "the journal of clone", file: path)
        }
        guard 1...currentFormat ~= journal.format else {
            throw SpoolError(
                .unsupported,
                "the journal has format \(journal.format); this walrelay reads formats up to \(currentFormat)",
                file: path)
        }
        if journal.format == 1 {
            let flags: CopyFlags = try bytes.withUnsafeBytes { all in
                try JSON.decode(all, what: "the journal of clone", file: path)
            }
            journal.copied = flags.step
            journal.format = currentFormat
        }
        return journal
    }

    /// A clone works on this spool at this moment.
    public static func isRunning(_ spool: SpoolDirectory) -> Bool {
        do {
            _ = try spool.lockForClone()
            return false
        } catch {
            return error.code == .locked
        }
    }

    /// Makes this the journal, durably.
    public func write(_ spool: SpoolDirectory) throws {
        let lock = try spool.lockDocument(CloneJournal.file)
        defer { withExtendedLifetime(lock) {} }
        try replace(spool)
    }

    /// Changes the journal as it is now, durably: while one process follows, another may make a switchover.
    ///
    /// - Returns: the journal that it is then.
    @discardableResult
    static func update(_ spool: SpoolDirectory, _ change: (inout CloneJournal) -> Void) throws -> CloneJournal {
        let lock = try spool.lockDocument(file)
        defer { withExtendedLifetime(lock) {} }
        guard let before = try read(spool) else {
            throw ProgramFailure(.failure, "the journal is gone from \(spool.statePath)")
        }
        var journal = before
        change(&journal)
        if journal != before { try journal.replace(spool) }
        return journal
    }

    private func replace(_ spool: SpoolDirectory) throws {
        if let filters { try spool.replaceState(CloneJournal.filterFile, with: Array(filters.utf8)) }
        try spool.replaceState(CloneJournal.file, with: JSON.encode(self) + [0x0A])
    }

    /// Forgets the journal.
    static func remove(_ spool: SpoolDirectory) throws {
        try spool.removeState(file)
    }
}
