import Postgres
import Threading

/// Where a capture is to end, and what it takes to come there.
///
/// Knows no clock and no server: it is told what was heard and what the time is, and says what to do.
enum CaptureGoal: Equatable, Sendable {
    /// Nowhere: it goes on until it is stopped.
    case none
    /// Where the source's WAL ends once nothing has come for a while; nothing has since that moment.
    case silence(since: Deadline)
    /// At a position. In WAL that decodes to nothing it is only reached when something is written after it.
    case position(LSN, since: Deadline)
    /// At a position, for which the source was nudged.
    case nudged(LSN)

    /// What to do.
    enum Step: Equatable {
        case nothing
        /// The source is idle: end where its WAL ends.
        case endHere
        /// The source is idle before the end position: write something after it.
        case nudge
    }

    /// The position, if there is one yet.
    var end: LSN? {
        switch self {
        case .none, .silence: nil
        case .position(let end, _), .nudged(let end): end
        }
    }

    /// Something came.
    mutating func heard(_ now: Deadline) {
        switch self {
        case .none, .nudged: break
        case .silence: self = .silence(since: now)
        case .position(let end, _): self = .position(end, since: now)
        }
    }

    /// When there is something to do next, if nothing comes.
    var nextLook: Deadline {
        switch self {
        case .none, .nudged: .never
        case .silence(let since): since + CaptureOptions.idleAfter * 1_000
        case .position(_, let since): since + CaptureOptions.nudgeAfter * 1_000
        }
    }

    /// What to do now.
    func step(_ now: Deadline) -> Step {
        guard now >= nextLook else { return .nothing }
        switch self {
        case .none, .nudged: return .nothing
        case .silence: return .endHere
        case .position: return .nudge
        }
    }

    /// It was done: the capture ends at `position`, and has some time before the source is nudged.
    mutating func ends(at position: LSN, _ now: Deadline) { self = .position(position, since: now) }

    /// It was done. Once is enough.
    mutating func wasNudged() {
        if let end { self = .nudged(end) }
    }
}
