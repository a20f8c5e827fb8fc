import Capture
import Observability
import Postgres

// What is there already.
extension Preflight {
    /// For a look without a migration: nothing may be in the way, and what of the tables cannot be followed.
    func lookAtContents() throws {
        let before = findings.count
        try lookForRemains()
        if findings.count == before { pass(.target, "contents", "empty") }
        guard options.follows, options.publications.isEmpty else { return }
        let remarks = try Source.publicationRemarks(on: source)
        if remarks.isEmpty { pass(.source, "tables", "all changes of all tables can be followed") }
        for remark in remarks { warn(.source, "tables", remark) }
    }

    /// - Throws: ``MigrationError`` when something is in the way of a new copy.
    func checkUnused() throws {
        let before = findings.count
        try lookForRemains()
        guard findings.count > before else { return }
        throw MigrationError(findings[before].exitStatus, findings[before].sentence)
    }

    private func lookForRemains() throws {
        let contents = try TargetDatabase.contents(target)
        if !contents.isEmpty {
            fail(
                .target, "contents",
                "the target's database \"\(target.database)\" is not empty: \(Self.some(contents))",
                "clone copies into an empty database")
        }
        guard options.follows else { return }
        if try SlotState.read(options.slot, on: source) != nil {
            fail(
                .source, "slot",
                "slot \"\(options.slot)\" exists on the source, and \(options.spool) has no journal of its copy",
                "choose another --slot-name, or drop it with receive --drop-slot --slot \(options.slot)", .slotMismatch)
        }
        if try TargetDatabase.hasOrigin(options.origin, on: target) {
            fail(
                .target, "origin", "replication origin \"\(options.origin)\" exists on the target already",
                "choose another --origin, or run there: "
                    + "SELECT pg_replication_origin_drop(\(Quoting.literal(options.origin)));")
        }
    }
}
