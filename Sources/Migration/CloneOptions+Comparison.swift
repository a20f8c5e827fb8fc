import Comparison
import Spool

// What is compared of a migration.
extension CloneOptions {
    /// What a comparison of both sides looks at, with what the journal in the spool says.
    ///
    /// - Throws: `SpoolError` and `SelectionError` when what says it cannot be read.
    package func comparison() throws -> ComparisonOptions {
        let adopted = try adoptingJournal()
        var comparison = ComparisonOptions(
            servers: servers, selection: try adopted.selection(), jobs: tableJobs, stream: stream)
        comparison.skipsLargeObjects = adopted.skipsLargeObjects
        comparison.restoreOptions = restoreOptions
        let spool = SpoolDirectory(spool)
        guard let journal = try CloneJournal.read(spool) else { return comparison }
        var basis = journal.comparedCopy(spool)
        if let late = journal.late, late != .made {
            basis.waiting = Set(try LateDefinitions.read(spool).items.flatMap(\.objects))
        }
        comparison.basis = basis
        return comparison
    }
}

extension CloneJournal {
    /// The copy, for a comparison.
    func comparedCopy(_ spool: SpoolDirectory) -> ComparedCopy {
        ComparedCopy(
            spool: spool, publications: sendingPublications, isShared: existing != nil, isComplete: phase != .copying)
    }
}
