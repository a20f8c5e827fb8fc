import Catalog
import Copying
import Failpoints
import Logging
import Observability
import Postgres
import Synchronization
import Threading

extension DatabaseCopy {
    /// What several threads have copied of large objects.
    private final class Counted: Sendable {
        let sums = Mutex((objects: 0, bytes: 0))
    }

    /// Copies large objects, several batches at once.
    func copyLargeObjects(snapshot: String, _ encoding: String) throws {
        let batches = try LargeObjectBatch.all(
            on: SourceSnapshot(options.source, snapshot: snapshot, encoding: encoding).connection)
        guard !batches.isEmpty else { return }
        let (options, stop, progress, logger) = (options, stop, progress, logger)
        let counted = Counted()
        try step("large objects") {
            try Parallel.run(batches, threads: options.tableJobs, name: "large objects", stop: stop) {
                let copier = try LargeObjectCopier(
                    options.servers, snapshot: snapshot, encoding: encoding, restoreOptions: options.restoreOptions,
                    stop: stop,
                    progress: progress)
                return { batch in
                    let copied = try copier.copy(batch)
                    Failpoint.afterLargeObjects.reach()
                    counted.sums.withLock { sums in
                        sums.objects += copied.objects
                        sums.bytes += copied.bytes
                    }
                }
            }
        }
        let (count, bytes) = counted.sums.withLock { $0 }
        logger.info("\(count) large objects, \(CloneProgress.megabytes(bytes))")
        if options.follows {
            logger.warning(
                "changes of large objects are not in the stream: clone switchover compares them, and brings them over")
        }
    }
}
