import Batches
import Catalog
import Postgres
import Selection
import Spool

/// What to move, and how.
public struct CloneOptions: Sendable {
    /// The source server.
    public var source: ConnectionString
    /// The target server.
    public var target: ConnectionString
    /// Both.
    var servers: ServerPair { ServerPair(source: source, target: target) }
    /// The spool's folder, which also holds the journal.
    public var spool: String
    /// Which direction of the migration this is: 1 for the first, and one more after each switchover that keeps a way back.
    public internal(set) var direction = 1
    /// Continue with the source's changes after the copy.
    public var follows = false
    /// The slot on the source.
    public var slot = "walrelay"
    /// Have standbys of the source copy the slot, so that it outlives a failover (17 and newer).
    public var failover = false
    /// The publications to decode; empty for those that are made with the slot.
    public var publications: [String] = []
    /// The name of the target's position.
    public var stream = "walrelay"
    /// How many connections apply the changes.
    public var applyJobs = 1
    /// The most that ``applyJobs`` can be.
    public static let applyJobsMax = BatchPreamble.lanesMax
    /// Where to end: an LSN or `current`; nil for never.
    public var end: String?
    /// How often in a row a stage that died is started again.
    public var restartsMax = 10
    /// A command that is told of what happens, for a shell; nil for none.
    public var eventCommand: String?
    /// Ends when the target refuses a change, instead of continuing to receive.
    public var stopsWhenBlocked = false
    /// How much of the log stays that the target has; nil for what the journal says.
    public var keepLog: KeepLog?
    /// Free bytes of the disk below which nothing is received; nil for `receive`'s default.
    public var minFree: UInt64?
    /// How often both sides' definitions are compared while following, in seconds; 0 for never.
    public var driftSeconds = 60
    /// How many tables are copied at once.
    public var tableJobs = 4
    /// A table of more bytes is copied in parts of about as much; nil for each table in one.
    public var splitBytes: Int?
    /// A table is copied in at most so many parts; nil for any number.
    public var splitPartsMax: Int?
    /// How many indexes and constraints are made at once.
    public var indexJobs = 4
    /// A table of so many bytes gets its indexes as soon as it has its rows, smaller ones when all tables have theirs.
    public var earlyIndexBytes = 1 << 30
    /// Drop what an earlier run made, and start over.
    public var restarts = false
    /// Leave the tables without statistics.
    public var skipsAnalyze = false
    /// The text of the filter file that says what to move; nil for everything.
    public var filters: String?
    /// Leave extensions to someone else.
    public var skipsExtensions = false
    /// Make the roles that the target lacks.
    public var copiesRoles = false
    /// With their passwords, as the source stores them.
    public var copiesRolePasswords = true
    /// Leave out what roles own and were granted that the target lacks.
    public var skipsMissingRoles = false
    /// When foreign keys, triggers and rules come to the target; nil for with the copy where the target's role may keep them
    /// from acting, and late where it may not.
    public var triggers: TriggerTime?
    /// They come in the switchover, as the journal of a migration says.
    var leavesTriggersLate = false
    /// The target may have contents that have nothing to do with what is copied.
    public var intoExisting = false
    /// Leave large objects where they are.
    public var skipsLargeObjects = false
    /// Leave what belongs to the database itself, such as `ALTER DATABASE … SET`, as it is on the target.
    public var skipsDatabaseProperties = false
    /// Drop what the target has of the source's objects first.
    public var dropsIfExists = false
    /// Options of pg_restore, such as `--no-owner`.
    public var restoreOptions: [String] = []
    /// When what would act on the changes comes to the target.
    public enum TriggerTime: String, Sendable, CaseIterable {
        /// With the copy; `session_replication_role` keeps it from acting.
        case copy
        /// In the switchover, when all changes are applied.
        case late
    }

    /// The version of this program, for the journal.
    public var tool: String

    /// Options with their defaults.
    public init(source: ConnectionString, target: ConnectionString, spool: String, tool: String) {
        self.source = source
        self.target = target
        self.spool = spool
        self.tool = tool
    }
}

// What to move.
extension CloneOptions {
    /// What is moved.
    ///
    /// - Throws: `SelectionError` when the filter file cannot be understood.
    func selection() throws -> Selection {
        var selection = try filters.map { try FilterFile.parse($0, file: "the filter file") } ?? Selection()
        if skipsExtensions { selection.excludeExtensions.append(try NamePattern("*")) }
        return selection
    }

    /// The same with what is moved as the migration was begun.
    public func adopting(_ journal: CloneJournal) -> CloneOptions {
        var options = self
        options.filters = journal.filters
        options.skipsLargeObjects = skipsLargeObjects || journal.skipsLargeObjects == true
        options.leavesTriggersLate = journal.late != nil
        options.keepLog = keepLog ?? journal.keepLog
        return options
    }

    /// The same with what the migration in the spool moves, if there is one; filters that are named stay.
    public func adoptingJournal() throws -> CloneOptions {
        guard let journal = try CloneJournal.read(SpoolDirectory(spool)) else { return self }
        var options = adopting(journal)
        options.filters = filters ?? journal.filters
        return options
    }

    /// The filters, with which the schemas of the service that the source belongs to are left out, unless they say what is to be
    /// included.
    func addingProvidersSchemas(of source: Connection) throws -> String? {
        guard let schemas = try Provider.of(source)?.schemas, !schemas.isEmpty,
            filters?.contains("[include-only") != true
        else { return filters }
        let there = try source.execute(
            """
            SELECT n.nspname FROM pg_catalog.pg_namespace n
              JOIN pg_catalog.pg_roles r ON r.oid = n.nspowner AND r.rolname = ANY (\(Provider.reservedArray)) ORDER BY 1
            """, doing: "looking for the schemas of the service")
        let own = there.column().filter { schemas.contains($0) }
        guard !own.isEmpty else { return filters }
        return (filters.map { $0 + "\n" } ?? "") + "[exclude-schema]\n" + own.map { $0 + "\n" }.joined()
    }
}
