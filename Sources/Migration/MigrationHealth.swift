import Capture
import Copying
import Observability

/// A migration's state as monitoring takes it: one word, and what it is made of.
public struct MigrationHealth: Sendable {
    /// How bad it is; the raw value is the exit code of a monitoring plugin.
    public enum Level: Int32, Sendable, Comparable {
        case ok = 0
        case warning = 1
        case critical = 2
        case unknown = 3

        /// By how bad they are.
        public static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }

        /// The word that monitoring shows.
        public var word: String {
            switch self {
            case .ok: "OK"
            case .warning: "WARNING"
            case .critical: "CRITICAL"
            case .unknown: "UNKNOWN"
            }
        }
    }

    /// How bad it is.
    public private(set) var level = Level.ok
    /// What was found, the worst first.
    public var findings: [String] { found.sorted { $0.level > $1.level }.map(\.text) }
    private var found: [(level: Level, text: String)] = []

    /// The health of a migration.
    ///
    /// - Parameters:
    ///   - maxLag: more is critical; nil for no limit.
    ///   - maxWAL: so many bytes kept by the slot are critical; nil for no limit.
    public init(_ status: MigrationStatus, maxLag: Lag.Limit?, maxWAL: UInt64?) {
        let journal = status.journal
        let isFollowing = journal.phase == .following && journal.switchedAt == nil
        if let moment = journal.givenUpAt {
            add(.critical, "given up by clone cleanup at \(moment), before a switchover")
        }
        if journal.phase != .done && journal.switchedAt == nil && !status.running {
            add(.critical, "\(journal.phase.rawValue), and no clone works on it")
        }
        if let blocked = status.progress?.blocked, status.running {
            add(.critical, "applying is blocked since \(blocked.since): \(blocked.words)")
        }
        if isFollowing, status.running, let maxLag {
            let lag = Lag(bytes: status.lagBytes ?? 0, seconds: status.lagSeconds)
            if status.lagBytes == nil {
                add(.warning, "the lag is not known yet")
            } else if !lag.isWithin(maxLag) {
                add(.critical, "\(lag.words) behind; the limit is \(maxLag.words)")
            }
        }
        if let maxWAL, let kept = status.receive?.retainedBytes, kept > maxWAL {
            add(
                .critical,
                "the slot keeps \(CloneProgress.size(Int(clamping: kept))) of WAL on the source; the limit is "
                    + CloneProgress.size(Int(clamping: maxWAL)))
        }
        if status.receive?.walStatus == "lost" { add(.critical, "the source has removed WAL that the slot needed") }
        for warning in status.warnings
        where !warning.hasPrefix("applying is blocked") && !warning.hasPrefix("nobody follows") {
            add(.warning, warning)
        }
        if found.isEmpty { add(.ok, Self.words(status)) }
    }

    private mutating func add(_ level: Level, _ text: String) {
        found.append((level, text))
        self.level = max(self.level, level)
    }

    private static func words(_ status: MigrationStatus) -> String {
        if let end = status.journal.switchedAt { return "switched over at \(end)" }
        var words = status.journal.phase.rawValue
        if let bytes = status.lagBytes { words += ", \(CloneProgress.size(Int(clamping: bytes))) behind" }
        return words
    }
}
