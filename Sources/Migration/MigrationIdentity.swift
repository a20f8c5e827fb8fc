import Catalog
import Copying
import Observability
import Postgres
import Spool

/// Whether servers are those of the migration that a spool's journal tells of.
public enum MigrationIdentity {
    /// - Throws: ``ProgramFailure`` with `foreign` when there is a journal, and it is of other servers.
    public static func check(_ options: CloneOptions) throws {
        guard let journal = try CloneJournal.read(SpoolDirectory(options.spool)) else { return }
        let source = try DatabaseSession.identity(
            Connection(options.source, applicationName: DatabaseSession.applicationName))
        guard source == journal.source else { throw foreign("source", source, journal.source, options) }
        let target = try TargetDatabase(options.target)
        let there = try DatabaseSession.identity(target.connection)
        guard try there == journal.target || isSame(target, there, journal) else {
            throw foreign("target", there, journal.target, options)
        }
    }

    /// The target is the journal's, as a cluster of another identifier: pg_upgrade makes one, and brings the row along that
    /// says whose position it is.
    static func isSame(
        _ target: TargetDatabase, _ there: DatabaseIdentity, _ journal: CloneJournal
    ) throws -> Bool {
        guard there.name == journal.target.name, there != journal.source,
            let row = try target.connection.progressRows(journal.stream).first
        else { return false }
        return row.systemIdentifier == journal.source.systemIdentifier && row.database == journal.source.name
            && row.slot == journal.slot
    }

    private static func foreign(
        _ side: String, _ found: DatabaseIdentity, _ known: DatabaseIdentity, _ options: CloneOptions
    ) -> ProgramFailure {
        ProgramFailure(
            .foreign,
            "the \(side) is database \(Quoting.identifier(found.name)) of system \(found.systemIdentifier), and the migration in "
                + "\(options.spool) has \(Quoting.identifier(known.name)) of \(known.systemIdentifier); name the right server, or "
                + "another --dir")
    }
}
