import Catalog
import Copying
import Logging
import Observability
import Postgres
import Spool
import Supervision

// What the stages are told of a migration.
extension CloneOptions {
    private var pipeline: FollowPipeline.Options {
        var options = FollowPipeline.Options(servers: servers, spool: spool, slot: slot, stream: stream)
        options.publications = publications
        options.end = end
        options.minFree = minFree
        options.retention = (keepLog ?? .untilShort).arguments
        options.applyJobs = applyJobs
        options.filterFile = filters.map { _ in SpoolDirectory(spool).statePath + "/" + CloneJournal.filterFile }
        options.leavesTriggersLate = leavesTriggersLate
        options.restartsMax = restartsMax
        options.stopsWhenBlocked = stopsWhenBlocked
        return options
    }

    /// The stages that follow the source.
    ///
    /// - Throws: ``ProgramFailure`` when the path of this program cannot be read.
    func makePipeline(_ progress: CloneProgress, _ logger: Logger) throws -> FollowPipeline {
        try FollowPipeline(pipeline, observer: progress, logger: logger) {
            // What the target has need not be rendered again.
            let target = try TargetDatabase.settledPosition(self, logger: logger)
            try Self.check(target.position, isBehind: source)
            progress.noteApplying(from: target.position)
            return target
        }
    }

    /// Refuses a target that is ahead of its source: what the source writes from there on is another history.
    ///
    /// A standby may not have replayed yet what was decoded on it before.
    private static func check(_ position: LSN, isBehind string: ConnectionString) throws {
        let source = try Connection(string, applicationName: DatabaseSession.applicationName)
        let standby = try source.execute("SELECT pg_catalog.pg_is_in_recovery()", doing: "asking for recovery")
        guard standby.text(0, 0) != "t" else { return }
        let end = try source.currentPosition()
        guard position.isCovered(by: end) else {
            throw ProgramFailure(
                .foreign,
                "the target is at \(position), and the source's WAL ends at \(end): the source was put back to an earlier "
                    + "state, as by a snapshot of its machine. Nothing is applied; connect to the server that has what the "
                    + "target has, or start from a new copy")
        }
    }
}
