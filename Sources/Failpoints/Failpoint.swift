import Glibc
import Synchronization

/// A named place at which a test can have the process die as by `kill -9`, to see that nothing is lost there.
///
/// For testers only: `WALRELAY_FAILPOINT=before-rename:2` kills the process when it comes there the second time, and
/// `before-rename:2:stop` stops it there, until a SIGCONT, so that something else can be killed in that moment. Without
/// that variable a failpoint costs one comparison; none lies in a loop over changes.
public enum Failpoint: String, CaseIterable, Sendable {
    /// A chunk is about to be written.
    case beforeWrite = "before-write"
    /// Half of a chunk is written.
    case tornWrite = "torn-write"
    /// A chunk is written, and not durable yet.
    case afterWrite = "after-write"
    /// A segment's file is about to be made durable.
    case beforeSync = "before-fdatasync"
    /// A segment's file is durable; nobody was told yet.
    case afterSync = "after-fdatasync"
    /// A segment is durable up to a commit, of which its index does not know.
    case beforeIndex = "before-index"
    /// A segment's index is durable.
    case afterIndex = "after-index"
    /// The source is about to be told a position.
    case beforeAck = "before-ack"
    /// The source was told a position.
    case afterAck = "after-ack"
    /// A segment's footer is about to be written.
    case beforeFooter = "before-footer"
    /// A segment's footer is written, and not durable yet.
    case afterFooter = "after-footer"
    /// A whole segment is about to get its final name.
    case beforeRename = "before-rename"
    /// A segment has its final name, which is not durable yet.
    case afterRename = "after-rename"
    /// The names in the folder of the segments are about to be made durable.
    case beforeDirectorySync = "before-directory-fsync"
    /// The names in the folder of the segments are durable; there is no open segment.
    case afterDirectorySync = "after-directory-fsync"
    /// The next segment's file is there, without its header.
    case beforeHeader = "before-header"
    /// Half of the next segment's header is written.
    case tornHeader = "torn-header"
    /// The next segment's header is durable.
    case afterHeader = "after-header"
    /// A streamed transaction has committed; nothing of it is in the log.
    case beforeSplice = "before-splice"
    /// A part of a streamed transaction is in the log's buffers.
    case duringSplice = "during-splice"
    /// All of a streamed transaction is in the log's buffers.
    case afterSplice = "after-splice"
    /// What is kept of a torn segment is copied, and about to take its name.
    case beforeRepair = "before-repair"
    /// What is kept of a torn segment has its name.
    case afterRepair = "after-repair"

    /// All lanes of a batch have done their share; some may be committed.
    case duringLaneCommits = "during-lane-commits"
    /// All lanes of a batch but the first, whose position counts, are committed.
    case betweenLaneCommits = "between-lane-commits"
    /// The share of the lanes that were behind is on the target, and not committed.
    case beforeLevelCommit = "before-level-commit"

    /// The journal of a new migration is written; nothing else is done.
    case afterJournal = "after-journal"
    /// The publications are made; the slot is not.
    case beforeSlot = "before-slot"
    /// The slot is made; the journal does not say where it begins.
    case afterSlot = "after-slot"
    /// The slot and its snapshot are there; nothing is on the target.
    case afterSnapshot = "after-snapshot"
    /// The definitions are on the target; the journal does not say so.
    case afterDefinitions = "after-definitions"
    /// A piece of a table's rows was sent to the target.
    case duringTable = "during-table"
    /// A part of a table's rows is on the target.
    case afterPart = "after-part"
    /// A table's rows are on the target.
    case afterTable = "after-table"
    /// An index of a table is on the target while rows of others are copied.
    case afterEarlyKey = "after-early-key"
    /// A batch of large objects is on the target.
    case afterLargeObjects = "after-large-objects"
    /// All rows and large objects are on the target.
    case afterRows = "after-rows"
    /// Indexes and keys are on the target, and the journal says so; foreign keys, triggers and the rest are not there.
    case afterKeys = "after-keys"
    /// The tables of a copy that was interrupted are brought to one moment; there are no foreign keys yet.
    case afterCatchUp = "after-catch-up"
    /// All indexes and constraints are on the target.
    case afterIndexes = "after-indexes"
    /// The copy has set the sequences; the position is not yet where the copy is.
    case afterSequences = "after-sequences"
    /// Everything of the copy is on the target; the journal does not say so.
    case beforeCopyIsDone = "before-copy-done"
    /// The journal says that the copy is complete.
    case afterCopyIsDone = "after-copy-done"
    /// An adopted target has its position; there is no journal.
    case afterPlacing = "after-placing"
    /// A switchover knows who applies the changes; nothing else is done.
    case afterRequest = "after-request"
    /// The target is near enough for a switchover, whose fence is next.
    case afterTakeOver = "after-take-over"
    /// A switchover has noted that it makes a way back; nothing of it is there.
    case beforeWayBack = "before-way-back"
    /// The slot for the way back is made.
    case afterWayBackSlot = "after-way-back-slot"
    /// The way back is there, with its position; the switchover is not made.
    case afterWayBack = "after-way-back"
    /// A switchback is made; the target cannot be written to yet.
    case beforeFreeing = "before-freeing"
    /// A switchover has made the source read-only.
    case afterFence = "after-fence"
    /// The target has everything up to the switchover's end position.
    case afterDrain = "after-drain"
    /// The stages have ended for a switchover; the clone that follows has not said so.
    case beforeRest = "before-rest"
    /// Nobody applies changes any more, as a switchover knows.
    case afterRest = "after-rest"
    /// The clone that follows is about to undo a switchover that was killed.
    case beforeUndo = "before-undo"
    /// A switchover has noted that applications are about to use the target; their program has not been told.
    case beforeRelease = "before-release"
    /// A switchover has done all but to say so.
    case beforeSwitchIsDone = "before-switch-done"
    /// The journal says that the switchover is made; nobody was told.
    case afterSwitchIsDone = "after-switch-done"

    /// Everything up to the end position is on the target, with its sequences; slot and position are there still.
    case beforeEnd = "before-end"
    /// The slot is dropped; its publications are not.
    case afterSlotDrop = "after-slot-drop"
    /// Slot and publications are dropped; the position is not.
    case beforePositionDrop = "before-position-drop"
    /// Nothing of the migration is left on either side; the journal does not say so.
    case beforeDone = "before-done"

    /// Half of a piece of a batch file is written.
    case tornBatchFile = "torn-batch-file"
    /// A batch file is whole, and about to be made durable.
    case beforeBatchFileSync = "before-batch-file-fsync"
    /// A batch file is durable, and about to get its final name.
    case beforeBatchFileRename = "before-batch-file-rename"
    /// A batch file has its final name, which is not durable yet.
    case afterBatchFileRename = "after-batch-file-rename"
    /// A batch file is sealed; there is no open one.
    case afterBatchFileSeal = "after-batch-file-seal"

    /// Nothing of a batch is sent.
    case beforeBatch = "before-batch"
    /// Statements of a batch are at the target, their results not read.
    case afterStatements = "after-statements"
    /// All row counts of a batch are as expected; COMMIT is not sent.
    case beforeCommit = "before-commit"
    /// COMMIT is sent; whether it was done is not known.
    case duringCommit = "during-commit"
    /// The target has committed a batch; nobody has noted it.
    case afterCommit = "after-commit"
    /// A batch's position is noted.
    case afterPosition = "after-position"
    /// A refused batch is rolled back, and about to be applied in the source's order.
    case beforeOrdered = "before-ordered"
    /// The lost session is given up; there is no new one.
    case beforeReconnect = "before-reconnect"
    /// A new session holds the position; nothing is done with it yet.
    case afterReconnect = "after-reconnect"

    /// The programs that have failpoints.
    public enum Owner: Sendable {
        case receive
        case transform
        case replay
        case clone
    }

    /// The program that comes there.
    public var owner: Owner {
        switch self {
        case .tornBatchFile, .beforeBatchFileSync, .beforeBatchFileRename, .afterBatchFileRename, .afterBatchFileSeal:
            .transform
        case .duringLaneCommits, .betweenLaneCommits, .beforeLevelCommit, .beforeBatch, .afterStatements, .beforeCommit,
            .duringCommit, .afterCommit, .afterPosition, .beforeOrdered, .beforeReconnect, .afterReconnect:
            .replay
        case .afterJournal, .beforeSlot, .afterSlot, .afterSnapshot, .afterDefinitions, .duringTable, .afterPart,
            .afterTable, .afterEarlyKey, .afterLargeObjects, .afterRows, .afterKeys, .afterCatchUp, .afterIndexes,
            .afterSequences, .beforeCopyIsDone, .afterCopyIsDone, .afterRequest, .afterTakeOver, .afterFence,
            .afterDrain, .afterPlacing, .beforeWayBack, .afterWayBackSlot, .afterWayBack, .beforeFreeing,
            .beforeRest, .afterRest, .beforeUndo, .beforeRelease, .beforeSwitchIsDone, .afterSwitchIsDone, .beforeEnd,
            .afterSlotDrop, .beforePositionDrop, .beforeDone:
            .clone
        default: .receive
        }
    }

    /// The environment variable that arms one of them.
    public static let variable = "WALRELAY_FAILPOINT"

    /// Dies here if this is the place and the time.
    @inline(__always)
    public func reach() {
        guard let armed = Failpoint.armed, armed.isDue(self) else { return }
        armed.act()
    }

    /// The same, after `last` was done.
    @inline(__always)
    public func reach<Failure: Error>(_ last: () throws(Failure) -> Void) throws(Failure) {
        guard let armed = Failpoint.armed, armed.isDue(self) else { return }
        try last()
        armed.act()
    }

    private static let armed = Armed(getenv(variable).map { String(cString: $0) })

    /// The one failpoint that was asked for.
    private final class Armed: Sendable {
        private let point: Failpoint
        private let time: Int
        private let stops: Bool
        private let count = Atomic<Int>(0)

        /// Reads `name`, `name:nth` or `name:nth:stop`; nil for anything else.
        init?(_ text: String?) {
            guard let parts = text?.split(separator: ":"), let name = parts.first,
                let point = Failpoint(rawValue: String(name))
            else { return nil }
            self.point = point
            time = parts.count > 1 ? Int(parts[1]) ?? 1 : 1
            stops = parts.count > 2 && parts[2] == "stop"
        }

        func act() {
            if stops {
                raise(SIGSTOP)
                return
            }
            kill(getpid(), SIGKILL)
            while true { pause() }
        }

        func isDue(_ point: Failpoint) -> Bool {
            point == self.point && count.add(1, ordering: .relaxed).newValue == time
        }
    }
}
