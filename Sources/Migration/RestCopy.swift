import Catalog
import Comparison
import Copying
import Failpoints
import Logging
import Observability
import Postgres
import Synchronization
import Threading

/// Compares what the stream does not carry, and brings over what differs. Done again when it is repeated.
struct RestCopy {
    let options: CloneOptions
    let plan: RestPlan
    let policy: RestPlan.Policy
    /// What the target does not have is passed over.
    let acceptsDrift: Bool
    let stop: StopRequest
    let progress: CloneProgress
    let logger: Logger

    private final class Found: Sendable {
        let names = Mutex<[String]>([])
    }

    /// Does it, in several sessions.
    ///
    /// - Returns: what differed, and is the same now.
    /// - Throws: ``ProgramFailure`` with `drift` when something differs that is not to be brought over.
    func run() throws -> [String] {
        guard policy != .ignore else {
            if !plan.isEmpty { logger.warning("left as the target has it, as asked: \(plan.words)") }
            return []
        }
        let found = Found()
        let (options, policy, stop, progress, logger) = (options, policy, stop, progress, logger)
        let acceptsDrift = acceptsDrift
        let encoding = plan.encoding
        try Parallel.run(plan.tables, threads: options.tableJobs, name: "rest", stop: stop) {
            let pair = try ComparedPair(options.servers, stream: options.stream)
            let copier = try TableCopier(
                source: options.source, snapshot: nil, target: options.target, encoding: encoding, stop: stop,
                progress: progress, replaces: true, usesReplicaRole: !options.leavesTriggersLate)
            return { one in
                let compared = try pair.compare(one.table, isFollowed: false, stop)
                guard compared.state != .equal else { return }
                guard compared.state != .missing else {
                    if acceptsDrift {
                        return logger.warning("left out, as asked: \(one.table.name) is not on the target")
                    }
                    throw ProgramFailure(
                        .drift,
                        "\(one.table.name) is not on the target as it is on the source (\(compared.rows.first ?? "")); "
                            + Drift.remedy)
                }
                found.names.withLock { $0.append(one.table.name) }
                guard policy == .copy else { return }
                let (rows, _) = try copier.copy(CopyPart(table: one.table, size: one.table.size))
                logger.info("brought over again: \(one.table.name) (\(one.reason)), \(rows) rows")
                Failpoint.afterTable.reach()
            }
        }
        if plan.largeObjectBytes != nil, let objects = try largeObjects(encoding) {
            found.names.withLock { $0.append(objects) }
        }
        let extensionRows = plan.hasExtensionTables ? try extensionTables(encoding) : []
        found.names.withLock { $0 += extensionRows }
        let names = found.names.withLock { $0 }.sorted()
        guard policy == .copy || names.isEmpty else {
            throw ProgramFailure(
                .drift,
                "the stream of changes does not carry these, and they differ: \(Figures.some(names)); bring them over with "
                    + "--rest copy, or leave them with --rest ignore")
        }
        return names
    }

    /// Rows that users added to tables of extensions.
    ///
    /// - Returns: the tables that differed.
    private func extensionTables(_ encoding: String) throws -> [String] {
        let tables = ExtensionTables(
            source: try SourceSnapshot(options.source, snapshot: nil, encoding: encoding),
            target: try DatabaseSession.connect(options.target, encoding: encoding),
            selection: try options.selection(), logger: logger)
        let differing = try tables.differing()
        guard !differing.isEmpty, policy == .copy else { return differing }
        for failure in try tables.copy() { logger.warning("\(failure)") }
        return differing
    }

    /// - Returns: what differed, in a few words; nil when nothing did.
    private func largeObjects(_ encoding: String) throws -> String? {
        let source = try DatabaseSession.connect(options.source, encoding: "UTF8")
        let target = try DatabaseSession.connect(options.target, encoding: "UTF8")
        let comparison = LargeObjectComparison(source: source, target: target)
        var changed: [UInt32] = []
        for batch in try LargeObjectComparison.batches(on: source) {
            try stop.check()
            changed += try comparison.differing(batch)
        }
        guard !changed.isEmpty else { return nil }
        let words = "\(changed.count) large objects"
        guard policy == .copy else { return words }
        let copier = try LargeObjectCopier(
            options.servers, snapshot: nil, encoding: encoding, restoreOptions: options.restoreOptions, stop: stop,
            progress: progress)
        for object in changed { try copier.replace(object) }
        logger.info("brought over again: \(words)")
        return words
    }
}
