import Glibc
import Logging
import Postgres
import Spool
import Synchronization
import Threading

/// Archives sealed segments and prunes those that are not needed any more, on a thread of its own: however long a copy
/// takes, receiving continues.
public final class SpoolKeeper: Sendable {
    /// What to do with sealed segments.
    public struct Options: Sendable {
        /// Copies a sealed segment to a safe place.
        public var archive: ArchiveCommand?
        /// Removes segments that are past the rule: what the target has, or what is old enough.
        public var prunes = false
        /// The server whose position under this name says what the target has.
        public var target: (string: ConnectionString, stream: String)?
        /// Seconds that a segment must be old, if that is a condition.
        public var age: Int?
        /// Bytes of segments that stay, if that is a condition.
        public var size: UInt64?
        /// Free bytes of the disk below which everything goes that the target has, oldest first, until there are as many; nil
        /// for none. Without age and size nothing else goes then.
        public var shortage: UInt64?

        /// Nothing to do.
        public init() {}

        /// True when there is nothing to do.
        public var isEmpty: Bool { archive == nil && !prunes }
    }

    private let spool: SpoolDirectory
    private let options: Options
    private let logger: Logger
    private let stopping = StopRequest()
    private let finishing = StopRequest()

    /// Milliseconds between two looks for sealed segments to archive.
    private static let archiveInterval = 500
    /// Milliseconds between two looks at the target.
    private static let pruneInterval = 10_000
    /// Milliseconds between two looks at the free space of the disk.
    private static let shortageInterval = 2_000
    /// Milliseconds after the first failure of an archive command; doubled by each further one.
    private static let firstPause = 1_000
    private static let longestPause = 60_000

    /// A keeper of a spool.
    public init(_ spool: SpoolDirectory, _ options: Options, logger: Logger) {
        self.spool = spool
        self.options = options
        self.logger = logger
    }

    func start() throws -> Worker? {
        guard !options.isEmpty else { return nil }
        return try Worker.launch(name: "spool keeper") { self.run() }
    }

    /// Ends the thread. A command that is running is ended too; its segment is archived again at the next start.
    func stop() { stopping.request() }

    /// Lets the thread end once every sealed segment was given to the archive command once more.
    func finish() { finishing.request() }

    private func run() {
        var pause = Self.firstPause
        var archiveAt = Deadline.now
        var pruneAt = Deadline.now
        var relieveAt = Deadline.now
        if options.archive != nil { report("archiving") { try self.spool.beginArchive() } }
        while !stopping.isRequested {
            let isLast = finishing.isRequested
            if archiveAt.hasPassed || isLast {
                let isDone = archiveAll()
                pause = isDone ? Self.firstPause : min(pause * 2, Self.longestPause)
                archiveAt = .after(milliseconds: isDone ? Self.archiveInterval : pause)
            }
            if pruneAt.hasPassed || isLast {
                report("pruning") { try self.prune() }
                pruneAt = .after(milliseconds: Self.pruneInterval)
            }
            if relieveAt.hasPassed {
                var hasMore = false
                report("pruning") { hasMore = try self.relieve() }
                relieveAt = .after(milliseconds: hasMore ? Self.shortageInterval : Self.pruneInterval)
            }
            if isLast { return }
            var next = min(pruneAt, relieveAt)
            if options.archive != nil { next = min(next, archiveAt) }
            _ = Polling.wait(stopping.descriptor, finishing.descriptor, until: next)
        }
    }

    private func report(_ doing: String, _ body: () throws -> Void) {
        do {
            try body()
        } catch {
            // Neither is needed to continue receiving.
            logger.warning("\(doing): \(error); trying again later")
        }
    }

    // MARK: Archiving

    /// True when nothing is left to archive.
    private func archiveAll() -> Bool {
        guard let archive = options.archive else { return true }
        var isDone = false
        report("archiving") {
            for name in try spool.unarchived() {
                guard !stopping.isRequested, self.run(archive, on: name) else { return }
                try spool.markArchived(name)
                logger.debug("archived \(name.fileName)")
            }
            isDone = true
        }
        return isDone
    }

    private func run(_ archive: ArchiveCommand, on name: SegmentName) -> Bool {
        guard let process = archive.start(path: spool.segmentsPath + "/" + name.fileName, name: name.fileName) else {
            logger.warning("cannot start a shell for --archive-command; trying again later")
            return false
        }
        ChildProcesses.all.add(process, isGroup: true)
        defer { ChildProcesses.all.remove(process) }
        while true {
            if let ending = ChildProcess.ending(of: process) {
                if ending.code != 0 && !stopping.isRequested {
                    logger.warning(
                        """
                        --archive-command failed for \(name.fileName) (\(ending.words)); nothing is pruned meanwhile, and it is \
                        tried again
                        """)
                }
                return ending.code == 0
            }
            if stopping.isRequested { kill(-process, SIGTERM) }
            _ = Polling.wait(stopping.isRequested ? -1 : stopping.descriptor, until: .after(milliseconds: 20))
        }
    }

    // MARK: Pruning

    /// Removes what may go.
    ///
    /// - Throws: ``PostgresError`` when the target cannot be asked, ``SpoolError`` when a file cannot be removed.
    public func prune() throws {
        guard options.prunes, options.shortage == nil || options.age != nil || options.size != nil else { return }
        var rule = SpoolDirectory.Retention(age: options.age, bytes: options.size)
        if let target = options.target {
            // Without a position nothing is known to be there.
            rule.position = try position(target.string, target.stream) ?? .zero
        }
        try remove(try spool.prunable(rule))
    }

    /// Makes room on a disk that is short of it, with what the target has.
    ///
    /// - Returns: true when it is worth looking again soon: the disk is about to be short, or is, and something was done about
    ///   it.
    @discardableResult
    public func relieve() throws -> Bool {
        guard let shortage = options.shortage, let target = options.target else { return false }
        guard isShort(of: shortage) else { return isShort(of: shortage > .max / 4 ? .max : shortage * 4) }
        let rule = SpoolDirectory.Retention(position: try position(target.string, target.stream) ?? .zero)
        let names = try spool.prunable(rule)
        guard !names.isEmpty else { return false }
        logger.warning("the disk has less than \(shortage >> 20) MB free: removing what the target has from the log")
        try remove(names) { self.isShort(of: shortage) }
        return true
    }

    private func isShort(of bytes: UInt64) -> Bool { spool.freeBytes().map { $0 < bytes } ?? false }

    private func remove(_ names: [SegmentName], while isNeeded: () -> Bool = { true }) throws {
        var last: SegmentName?
        var (count, bytes) = (0, UInt64(0))
        for name in names where isNeeded() {
            bytes += try spool.remove(name)
            count += 1
            last = name
        }
        guard let last else { return }
        logger.info("pruned \(count) segments, up to \(last.fileName): \(bytes >> 10) kB")
    }

    /// What the target durably has of this log; nil when it has no position.
    private func position(_ target: ConnectionString, _ stream: String) throws -> LSN? {
        let session = try Connection(target, applicationName: "walrelay receive")
        guard let row = try session.progressRows(stream).first(where: { $0.lane == 0 }), !row.isUnclaimed,
            let own = try spool.identity()
        else { return nil }
        let source = ProgressSource(
            systemIdentifier: own.systemIdentifier, database: own.database, slot: own.slot, logID: own.logID,
            // Whatever history the source has: what the target has is not needed.
            timeline: 0)
        guard row.conflict(with: source) == nil else {
            throw SpoolError(
                .foreign,
                "nothing is pruned: the target's position \(Quoting.identifier(stream)) is of log "
                    + "\(row.logID ?? "unknown") of database \(Quoting.identifier(row.database)), not of this one; name "
                    + "the right target, or the right position with --origin", file: spool.path)
        }
        return try session.durablePosition(stream)
    }
}
