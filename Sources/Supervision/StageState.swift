import Glibc

/// How one of the stages is doing, as `clone` sees it.
public struct StageState: Codable, Sendable, Equatable {
    /// What it is doing.
    public enum Condition: String, Codable, Sendable {
        /// The process runs.
        case running
        /// It died, and is started again after a pause.
        case restarting
        /// It ended for a reason that needs an operator, and is tried again now and then.
        case blocked
        /// It has ended, and is not started again.
        case ended
    }

    /// The program.
    public var name: String
    /// What it is doing.
    public var state: Condition
    /// The process, or the last one.
    public var pid: pid_t
    /// How often it was started again since clone was.
    public var restarts = 0
    /// How it ended last, when it should not have.
    public var lastEnd: String?
    /// When that was, in UTC.
    public var lastEndAt: String?

    package init(
        name: String, state: Condition, pid: pid_t, restarts: Int = 0, lastEnd: String? = nil,
        lastEndAt: String? = nil
    ) {
        self.name = name
        self.state = state
        self.pid = pid
        self.restarts = restarts
        self.lastEnd = lastEnd
        self.lastEndAt = lastEndAt
    }

    enum CodingKeys: String, CodingKey {
        case name, state, pid, restarts
        case lastEnd = "last_end"
        case lastEndAt = "last_end_at"
    }
}
