import Capture
import Logging
import Observability
import Postgres
import Spool
import Threading

/// What is done on both servers when nothing is followed any more.
public struct CloneEnd: Sendable {
    private let options: CloneOptions
    private let logger: Logger

    /// The end of the migration with these options.
    public init(_ options: CloneOptions, logger: Logger) {
        self.options = options
        self.logger = logger
    }

    /// Gives the target's sequences the source's values, and reads them back.
    ///
    /// - Returns: how many there are.
    @discardableResult
    public func setSequences() throws -> Int {
        let source = try Connection(options.source, applicationName: TargetDatabase.applicationName)
        let selection = try options.adoptingJournal().selection()
        let sequences = try SourceSnapshot.sequences(on: source, selection)
        let target = try TargetDatabase(options.target)
        try target.set(sequences)
        let found = try SourceSnapshot.sequences(on: target.connection)
        for sequence in sequences where !found.contains(sequence) {
            throw MigrationError(.conflict, "\(sequence.name) does not stand on the target where the source's does")
        }
        return sequences.count
    }

    /// Drops the slot, the publications that were made with it, and the origin. What is not there is fine.
    public func dropSlotAndOrigin() throws {
        try dropSlotAndOrigin(follows: true)
    }

    func dropSlotAndOrigin(follows: Bool) throws {
        if follows {
            let source = try Source(options.source)
            // The walsender of a receive that was killed takes a moment to see it.
            let patience = Deadline.after(milliseconds: 15_000)
            while true {
                do {
                    if try source.dropSlot(options.slot, ifExists: true) {
                        logger.info("dropped slot \"\(options.slot)\"")
                    }
                    break
                } catch let error as CaptureError where error.code == .slotActive && !patience.hasPassed {
                    _ = Polling.wait(-1, until: .after(milliseconds: 100))
                }
            }
            for name in try source.dropPublications(of: options.slot) { logger.info("dropped publication \"\(name)\"") }
        }
        let target = try TargetDatabase(options.target)
        guard try TargetDatabase.hasOrigin(options.origin, on: target.connection) else { return }
        try target.dropOrigin(options.origin)
        logger.info("dropped replication origin \"\(options.origin)\"")
    }
}
