/// What really happened in a history, or in many.
public struct HistoryCounts: Sendable, Equatable {
    /// Histories.
    public var histories = 0
    /// Transactions that the source committed.
    public var transactions = 0
    /// Of these, those that were sent while they were in progress, as often as they were sent.
    public var streamed = 0
    /// Rolled-back subtransactions of which changes had been sent.
    public var abortedParts = 0
    /// Batches that the target committed.
    public var batches = 0
    /// Batches that were found on the target already, and passed over.
    public var repeats = 0
    /// Ranges that were taken from the log again.
    public var ranges = 0
    /// Crashes of the machine with the log.
    public var machineCrashes = 0
    /// Kills of the program that writes the log.
    public var kills = 0
    /// Kills of the programs that read it.
    public var readerKills = 0
    /// Crashes of the target.
    public var targetCrashes = 0
    /// Committed batches that a crash took from the target.
    public var lostBatches = 0
    /// Batches that the target rolled back for no reason of theirs.
    public var aborts = 0
    /// Batches that the target refused.
    public var refusals = 0
    /// Connections that were lost at a COMMIT, with and without its having been done.
    public var lostCommits = 0
    /// Connections to the source that were lost.
    public var cuts = 0
    /// Crashes of the source, which forgets positions that it was told.
    public var sourceCrashes = 0
    /// Writes of which a crash left a part.
    public var tornWrites = 0
    /// Files of which a crash took what was not synced, or some of it.
    public var tornFiles = 0
    /// Changes of names that a crash undid.
    public var lostNames = 0
    /// Writes that found the disk full.
    public var fullDisks = 0
    /// Syncs.
    public var syncs = 0
    /// Syncs that failed.
    public var failedSyncs = 0
    /// Segments that were sealed.
    public var segments = 0

    /// Nothing yet.
    public init() {}

    /// The counts with their names.
    public var all: [(name: String, count: Int)] {
        [
            ("transactions", transactions), ("streamed", streamed), ("aborted parts", abortedParts),
            ("batches", batches), ("repeats", repeats), ("ranges from the log", ranges),
            ("machine crashes", machineCrashes), ("kills of receive", kills), ("kills of readers", readerKills),
            ("target crashes", targetCrashes), ("batches lost in them", lostBatches), ("aborts", aborts),
            ("refusals", refusals), ("lost commits", lostCommits), ("cut connections", cuts),
            ("source crashes", sourceCrashes), ("torn writes", tornWrites), ("torn files", tornFiles),
            ("undone names", lostNames), ("full disks", fullDisks), ("syncs", syncs), ("failed syncs", failedSyncs),
            ("sealed segments", segments),
        ]
    }

    /// Adds those of another history.
    public mutating func add(_ other: HistoryCounts) {
        histories += other.histories
        transactions += other.transactions
        streamed += other.streamed
        abortedParts += other.abortedParts
        batches += other.batches
        repeats += other.repeats
        ranges += other.ranges
        machineCrashes += other.machineCrashes
        kills += other.kills
        readerKills += other.readerKills
        targetCrashes += other.targetCrashes
        lostBatches += other.lostBatches
        aborts += other.aborts
        refusals += other.refusals
        lostCommits += other.lostCommits
        cuts += other.cuts
        sourceCrashes += other.sourceCrashes
        tornWrites += other.tornWrites
        tornFiles += other.tornFiles
        lostNames += other.lostNames
        fullDisks += other.fullDisks
        syncs += other.syncs
        failedSyncs += other.failedSyncs
        segments += other.segments
    }
}

/// What must never happen, and did.
public struct HistoryFailure: Error, CustomStringConvertible {
    /// What it was.
    public let description: String

    init(_ description: String) {
        self.description = description
    }
}
