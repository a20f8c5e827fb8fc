import Postgres
import Supervision

/// A moment's state of a migration; the contents of `state/clone-progress.json`.
public struct ProgressSnapshot: Codable, Sendable, Equatable {
    /// A table that is being copied, or a part of one.
    public struct Table: Codable, Sendable, Equatable {
        /// Schema and name, as SQL writes them, and which part.
        public var name: String
        /// Bytes that it takes on the source's disk.
        public var size: Int
        /// Bytes copied, in COPY's text form.
        public var bytes = 0
        /// Rows copied.
        public var rows = 0

        /// The part that is copied, as far as text says something about pages.
        public var fraction: Double { size == 0 ? 0 : min(1, Double(bytes) / Double(size)) }
    }

    /// Indexes, those of constraints among them.
    public struct Indexes: Codable, Sendable, Equatable {
        /// On the source; nil when a part of the database is moved.
        public var total: Int?
        /// Complete on the target.
        public var done: Int
        /// What is being made: name, table, and how far.
        public var current: [String]
    }

    /// What keeps changes from being applied, until a person has done something about it.
    public struct Blocked: Codable, Sendable, Equatable {
        /// The stage that ended, and how.
        public var words: String
        /// Its exit code.
        public var code: Int32
        /// When it ended first, in UTC.
        public var since: String
        /// How often it was tried.
        public var attempts = 1
        /// The report with the statement that the target refuses; nil when there is none.
        public var report: String?
    }

    /// The step that is being done.
    public var step = ""
    /// Seconds since this run began.
    public var seconds = 0.0
    /// Tables to copy.
    public var tables = 0
    /// Tables that are copied.
    public var tablesDone = 0
    /// Bytes that the tables to copy take on the source's disk.
    public var sizeOnSource = 0
    /// The same of those that are copied.
    public var sizeDone = 0
    /// Bytes copied, in COPY's text form.
    public var bytes = 0
    /// Rows copied.
    public var rows = 0
    /// Bytes copied a second, over the last seconds.
    public var bytesPerSecond = 0.0
    /// The part of the rows that is copied, from 0 to 1.
    public var fraction = 0.0
    /// How long the rest of the rows will take, if it continues like this.
    public var secondsLeft: Double?
    /// Tables that are being copied.
    public var current: [Table] = []
    /// Indexes, once they are being made.
    public var indexes: Indexes?
    /// The target's position when the stages that apply were started last.
    public var appliedBefore: LSN?
    /// The stages that were started.
    public var stages: [StageState] = []
    /// Why nothing is applied, while the source's changes are still received; nil when nothing hinders it.
    public var blocked: Blocked?
    /// Bytes of WAL kept by the slot at which the user is warned.
    public var walWarningBytes: UInt64?

    enum CodingKeys: String, CodingKey {
        case step, seconds, tables, bytes, rows, fraction, current, indexes, stages, blocked
        case appliedBefore = "applied_before"
        case tablesDone = "tables_done"
        case sizeOnSource = "size_on_source"
        case sizeDone = "size_done"
        case bytesPerSecond = "bytes_per_second"
        case secondsLeft = "seconds_left"
        case walWarningBytes = "wal_warning_bytes"
    }
}
