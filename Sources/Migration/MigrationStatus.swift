import Catalog
import Comparison
import Apply
import Capture
import Copying
import Observability
import Postgres
import Spool

/// How a migration is doing, from the files in its spool.
public struct MigrationStatus: Encodable, Sendable {
    /// A clone works with the spool at this moment.
    public var running: Bool
    /// Which direction of the migration this is: 1 for the first, and one more after each switchover that keeps a way back.
    public var direction: Int
    /// How far the migration is.
    public var journal: CloneJournal
    /// What clone is doing.
    public var progress: ProgressSnapshot?
    /// How receiving is doing.
    public var receive: CaptureStatus?
    /// How replaying is doing.
    public var replay: ApplyStatus?
    /// Bytes of WAL between the source's end and what the target has.
    public var lagBytes: UInt64?
    /// Seconds by which the last transaction that the target has was committed before the last that was received.
    public var lagSeconds: Double?
    /// When the numbers were true, in UTC, if nothing runs any more; nil while a clone runs.
    public var asOf: String?
    /// What changed in the definitions since the copy, as it was seen last.
    public var drift: DriftWatch.Report?
    /// What comes to the target in the switchover, in words; nil where all came with the copy.
    public var late: String?
    /// What the user should look at.
    public var warnings: [String] = []

    enum CodingKeys: String, CodingKey {
        case running, direction, journal, progress, receive, replay, drift, warnings, late
        case asOf = "as_of"
        case lagBytes = "lag_bytes"
        case lagSeconds = "lag_seconds"
    }

    /// Reads the status; nil when no migration began there.
    ///
    /// - Parameter live: what the caller itself is doing with the spool.
    public init?(_ spool: SpoolDirectory, live: ProgressSnapshot? = nil) throws {
        guard let journal = try CloneJournal.read(spool) else { return nil }
        self.journal = journal
        direction = spool.direction
        running = live != nil || CloneJournal.isRunning(spool)
        progress = live ?? Self.read("clone-progress.json", spool)
        if journal.phase != .done && journal.follows {
            receive = Self.read("receive.json", spool)
            replay = Self.read("replay.json", spool)
            if journal.phase == .following { drift = Self.read(DriftWatch.Report.file, spool) }
        }
        if journal.late == .waiting || journal.late == .making {
            late =
                journal.hasCopied(.definitions)
                ? (try? LateDefinitions.read(spool))?.words : "foreign keys and triggers"
        }
        if !running { asOf = [receive?.updated, replay?.updated].compactMap { $0 }.filter { !$0.isEmpty }.max() }
        addLag()
        addWarnings()
        if journal.switchedAt != nil, let before = try? spool.directionBefore.map(CloneJournal.read) ?? nil,
            before.fencedAt != nil
        {
            warnings.insert(
                "the switchback is made, and its target is still read-only: run the same clone switchback again", at: 0)
        }
    }

    private static func read<Value: Decodable>(_ name: String, _ spool: SpoolDirectory) -> Value? {
        guard let bytes = try? spool.state(name) else { return nil }
        let file = spool.statePath + "/" + name
        return try? bytes.withUnsafeBytes { try JSON.decode($0, what: "the status", file: file) }
    }

    /// Where the target is: as long as nothing is applied, where it was when that began.
    public var applied: LSN? { replay?.applied ?? progress?.appliedBefore }

    private mutating func addLag() {
        guard journal.phase == .following, let receive, let applied else { return }
        // A target that has the last commit has all that the source has sent, as far as it concerns this database.
        let reached = applied >= receive.committed ?? receive.received ? max(applied, receive.seen ?? applied) : applied
        if let end = receive.server { lagBytes = end.rawValue - min(end.rawValue, reached.rawValue) }
        // Both clocks are the source's.
        guard let got = receive.lastCommit.flatMap({ Timestamp($0) }),
            let has = replay?.committedAt.flatMap({ Timestamp($0) })
        else { return }
        lagSeconds = max(0, Double(got.rawValue - has.rawValue) / 1_000_000)
    }

    private mutating func addWarnings() {
        if let retained = receive?.retainedBytes, let limit = progress?.walWarningBytes, retained >= limit {
            warnings.append(
                "the slot keeps \(CloneProgress.size(Int(clamping: retained))) of WAL on the source: watch its disk")
        }
        // More than half of what it may keep.
        if let left = receive?.safeBytes, let kept = receive?.retainedBytes, kept > left, receive?.walStatus != "lost" {
            warnings.append(
                "the slot may keep \(CloneProgress.size(Int(clamping: left))) more of WAL (max_slot_wal_keep_size), and is lost then"
            )
        }
        switch receive?.walStatus {
        case "unreserved": warnings.append("the source is about to remove WAL that the slot needs")
        case "lost": warnings.append("the source has removed WAL that the slot needed: a new copy must be made")
        default: break
        }
        if let receive, receive.state == .spoolFull || receive.state == .diskFull || receive.state == .waitingForDisk {
            warnings.append("receive does not read: \(receive.state.rawValue)")
        }
        if running, let blocked = progress?.blocked {
            warnings.append(
                "applying is blocked since \(blocked.since): \(blocked.words), tried \(Figures.counted(blocked.attempts, "time"))"
                    + (blocked.report.map { "; see \($0)" } ?? "; see its message in clone's log")
                    + "; changes are still received; when the cause is gone: clone retry")
        }
        if let trouble = replay?.trouble { warnings.append("replay: \(trouble)") }
        for item in drift?.items ?? [] { warnings.append("definitions changed: \(item.sentence)") }
        if journal.fencedAt != nil {
            warnings.append(
                "the source was made read-only at \(journal.fencedAt ?? "?"); to undo that, if nobody has: "
                    + SourceFence.undo(journal.source.name))
        }
        if let end = journal.releasing, journal.switchedAt == nil, !running {
            warnings.append(SwitchoverPart.releaseIsUnknown(end).description)
        }
        if let views = journal.unrefreshed, journal.phase == .following {
            warnings.append(
                "materialized views are as they were before the switchover until they are refreshed: \(Figures.some(views))"
            )
        }
        if let unvalidated = journal.unvalidated, !running {
            warnings.append(
                "foreign keys are not validated yet; run on the target: \(unvalidated.joined(separator: " "))")
        }
        if !running && journal.phase == .following && journal.switchedAt == nil {
            warnings.append(
                "nobody follows: slot \"\(journal.slot)\" keeps WAL on the source until clone --follow runs again, or clone "
                    + "cleanup")
        }
        if journal.switchedAt != nil && journal.phase != .done {
            warnings.append("slot \"\(journal.slot)\" keeps WAL on the source until clone cleanup")
        }
    }
}
