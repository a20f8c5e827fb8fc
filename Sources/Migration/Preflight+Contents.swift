import Capture
import Catalog
import Logging
import Observability
import Postgres
import Selection

// What is there already.
extension Preflight {
    /// For a look without a migration: nothing may be in the way, and what of the tables cannot be followed.
    func lookAtContents() throws {
        let before = findings.count
        try lookForRemains()
        if findings.count == before { pass(.target, "contents", "empty") }
        guard options.follows, options.publications.isEmpty else { return }
        let remarks = try Source.publicationRemarks(on: source) { [selection] in
            selection.includesData(schema: $0, table: $1)
        }
        if remarks.isEmpty { pass(.source, "tables", "all changes of all tables can be replicated") }
        for group in PublicationRemark.grouped(remarks) { warn(about: group) }
    }

    /// One warning for all tables with the same trouble.
    private func warn(about group: [PublicationRemark]) {
        let ready = group.filter(\.isReady).compactMap(\.statement)
        let others = group.filter { !$0.isReady }.compactMap(\.statement)
        findings.append(
            Finding(
                .warn, .source, "tables", PublicationRemark.what(group),
                remedy: others.isEmpty
                    ? nil : "to replicate them, run on the source: \(others.joined(separator: " "))",
                statements: ready.isEmpty ? nil : ready))
    }

    /// - Throws: ``ProgramFailure`` when something is in the way of a new copy.
    func checkUnused(logger: Logger) throws {
        let before = findings.count
        try lookForRemains()
        for finding in findings[before...] where finding.status == .warn { logger.warning("\(finding.sentence)") }
        guard let failure = findings[before...].first(where: { $0.status == .fail }) else { return }
        throw ProgramFailure(failure.exitStatus, failure.sentence)
    }

    private func lookForRemains() throws {
        try lookForContents()
        guard options.follows else { return }
        if try SlotState.read(options.slot, on: source) != nil {
            fail(
                .source, "slot",
                "slot \"\(options.slot)\" exists on the source, and \(options.spool) has no journal of its copy",
                "choose another --slot-name; or, if nobody needs it, drop it on the source: SELECT pg_catalog.pg_drop_replication_slot("
                    + "\(Quoting.literal(options.slot)));", .slotMismatch)
        }
        if let position = try target.committedPosition(options.stream) {
            fail(
                .target, "position", "the target has a position \"\(options.stream)\" already, \(position)",
                "choose another --origin, or, if no migration uses it, run there: DELETE FROM walrelay.progress WHERE "
                    + "stream = \(Quoting.literal(options.stream));")
        }
    }

    private func lookForContents() throws {
        let initial = providers.target?.initialSchemas ?? []
        let all = try UserObject.all(on: target)
        findsContents = !all.isEmpty
        // A new database of some services is not empty.
        let contents = all.filter { !initial.contains($0.schema) }
        guard !all.isEmpty else { return }
        guard options.dropsIfExists else {
            let own = Set(try UserObject.all(on: source).filter { $0.isSelected(selection) }.map(\.place))
            let hit = all.filter { own.contains($0.place) && !($0.kind == "schema" && initial.contains($0.name)) }
            if options.intoExisting || contents.isEmpty {
                guard hit.isEmpty else {
                    return fail(
                        .target, "contents",
                        "the target's database \"\(target.database)\" has what would be copied: "
                            + Figures.some(hit.map(\.label)), "drop or rename it, or leave it out with --filters")
                }
                return pass(
                    .target, "contents",
                    "\(all.count) objects that the copy leaves as they are: \(Figures.some(all.map(\.label)))")
            }
            return fail(
                .target, "contents",
                "the target's database \"\(target.database)\" is not empty: \(Figures.some(contents.map(\.label)))",
                "clone copies into an empty database; --into-existing copies beside what has no name of what is copied, "
                    + "--drop-if-exists drops what the source has too")
        }
        let own = Set(try UserObject.all(on: source).filter { $0.isSelected(selection) })
        let foreign = contents.filter { !own.contains($0) }.map(\.label)
        if foreign.isEmpty {
            warn(
                .target, "contents",
                "\(contents.count) objects in the target's database \"\(target.database)\" are dropped first "
                    + "(--drop-if-exists): \(Figures.some(contents.map(\.label)))")
        } else {
            fail(
                .target, "contents",
                "the target's database \"\(target.database)\" holds what would not be copied: \(Figures.some(foreign))",
                "--drop-if-exists drops only what the source has and the filters select: drop the rest yourself")
        }
    }
}
