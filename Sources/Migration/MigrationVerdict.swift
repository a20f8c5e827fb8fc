import Comparison
import Apply
import Capture
import Copying
import Observability

/// What a person wants to know first of a migration: whether it can be switched over now, or why not, and what comes next.
public struct MigrationVerdict: Sendable, Equatable {
    /// The kind of answer.
    public enum Kind: String, Sendable {
        /// The switchover can be made.
        case ready
        /// All is well, and takes time.
        case working
        /// An operator is needed.
        case trouble
        /// The target has everything.
        case done
    }

    /// The kind of answer.
    public var kind: Kind
    /// How things are, as a sentence.
    public var text: String
    /// What to do or to wait for.
    public var next: String

    /// The verdict on a migration.
    public init(_ status: MigrationStatus) {
        let journal = status.journal
        if let moment = journal.givenUpAt {
            self.init(
                .trouble, "Given up at \(moment.prefix(19)) UTC, before a switchover: the target has no later changes.",
                "Start over with an empty target and another folder.")
        } else if journal.phase == .done {
            self.init(.done, "The migration is complete.", "Nothing is left to do.")
        } else if let end = journal.switchedAt {
            self.init(
                .done, "Switched over at \(end): the target has everything.",
                "Run clone cleanup: the slot keeps WAL on the source until then.")
        } else if !status.running {
            let ended = journal.lastFailure.map { " It ended with code \($0.code): \($0.message)" } ?? ""
            self.init(
                .trouble,
                (journal.phase == .copying ? "The copy was interrupted." : "Changes are not followed: no clone runs.")
                    + ended,
                "Run the same clone command again.")
        } else if journal.phase == .copying {
            self.init(.working, "Copying.", Self.copying(status.progress))
        } else {
            self = Self.following(status)
        }
    }

    private init(_ kind: Kind, _ text: String, _ next: String) {
        self.kind = kind
        self.text = text
        self.next = next
    }

    private static func copying(_ progress: ProgressSnapshot?) -> String {
        guard let left = progress?.secondsLeft, left > 0 else {
            return "Then the changes since the copy began are applied."
        }
        return
            "About \(Figures.duration(seconds: left)) left for rows; then indexes, then the changes since the copy began."
    }

    private static func following(_ status: MigrationStatus) -> MigrationVerdict {
        if let blocked = status.progress?.blocked {
            return MigrationVerdict(
                .trouble, "Applying is blocked since \(blocked.since.prefix(19)) UTC: \(blocked.words).",
                "Changes are still received. Remove the cause, then run clone retry.")
        }
        if let lost = status.receive?.walStatus, lost == "lost" {
            return MigrationVerdict(
                .trouble, "The source has removed WAL that the slot needed.", "Changes are lost: start from a new copy."
            )
        }
        let serious = status.drift?.items.filter { !$0.isHarmless } ?? []
        if let first = serious.first {
            return MigrationVerdict(
                .trouble,
                "Definitions changed since the copy: \(first.sentence)"
                    + (serious.count > 1 ? ", and \(serious.count - 1) more." : "."),
                "A switchover refuses that. Make the target as the source is, by the same statements.")
        }
        guard let bytes = status.lagBytes else {
            return MigrationVerdict(.working, "Following the source's changes.", "The lag is not known yet.")
        }
        let lag = Lag(bytes: bytes, seconds: status.lagSeconds)
        guard bytes <= SwitchoverOptions.caughtUpBytes else {
            let left = status.replay?.secondsLeft.map { "Caught up in about \(Figures.duration(seconds: $0))." }
            return MigrationVerdict(
                .working, "Catching up: \(lag.words) behind.",
                left ?? "The source writes as fast as changes are applied, or faster: no time can be named.")
        }
        return MigrationVerdict(
            .ready, "Ready to switch over: \(lag.words) behind.",
            "Run clone switchover --dry-run, then clone switchover --fence.")
    }
}
