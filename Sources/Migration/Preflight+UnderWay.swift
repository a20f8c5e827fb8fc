import Spool

// A migration that has begun already.
extension Preflight {
    /// What to say where the spool's journal tells of a migration that is not done; nil where there is none.
    ///
    /// - Throws: `SpoolError` when the journal cannot be read.
    public static func underWay(_ options: CloneOptions) throws -> Finding? {
        let spool = SpoolDirectory(options.spool)
        guard let journal = try CloneJournal.read(spool), journal.phase != .done else { return nil }
        let isRunning = CloneJournal.isRunning(spool)
        if let end = journal.switchedAt {
            return Finding(
                .pass, .here, "migration", "the migration in \(options.spool) was switched over at \(end)",
                remedy: "when the target is in use: clone cleanup")
        }
        let state =
            "a migration is under way in \(options.spool), begun \(journal.started.prefix(19)): \(journal.phase.rawValue)"
        guard isRunning else {
            return Finding(
                .warn, .here, "migration", "\(state), and no clone works on it",
                remedy: "run the same clone command again, which continues; clone status says how far it is")
        }
        return Finding(.pass, .here, "migration", "\(state); clone status says how far it is")
    }
}
