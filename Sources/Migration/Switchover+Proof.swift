import Logging
import Observability
import Postgres
import Threading

// What must be true beside the position, before a switchover says that the target has everything.
extension Switchover {
    /// Both sides have the same definitions; nobody can change those of the source any more where it is fenced.
    func checkDefinitions(_ journal: CloneJournal) throws {
        let drift = try DriftWatch.look(options, journal)
        guard !drift.serious.isEmpty else { return }
        let words = "definitions changed since the copy: \(Preflight.some(drift.serious.map(\.sentence)))"
        guard wishes.acceptsDrift else { throw MigrationError(.drift, "\(words). \(Drift.remedyAsSentence)") }
        logger.warning("\(words); going on as asked")
    }

    /// Brings over what the stream of changes does not carry.
    ///
    /// - Returns: what differed.
    func bringRest(_ journal: CloneJournal, _ stop: StopRequest) throws -> [String] {
        let plan = try RestPlan.make(options, journal, on: SourceFence.connect(options.source))
        return try RestCopy(
            options: options.adopting(journal), plan: plan, policy: wishes.rest, stop: stop, progress: progress,
            logger: logger
        ).run()
    }

    /// Nothing was committed on the source after the end position.
    func checkLateChanges(_ journal: CloneJournal, _ end: LSN) throws {
        let source = try SourceFence.connect(options.source)
        let count: Int
        do {
            count = try LateWrites(source: source, journal: journal).count(after: end)
        } catch let error as PostgresError where error.sqlState == .insufficientPrivilege {
            return logger.warning(
                "not looked for changes after the end position, because the role may not: \(error)")
        }
        guard count > 0 else { return }
        throw MigrationError(
            .conflict,
            "\(count) changes were committed on the source after the end position \(end), so the target does not have "
                + "everything and the switchover is not made. Stop the application first"
                + (wishes.fences ? "" : ", or use --fence") + ", and run it again")
    }
}
