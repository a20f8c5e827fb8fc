import Catalog
import Postgres
import Selection
import Spool

/// What is compared, and how.
package struct ComparisonOptions: Sendable {
    /// The servers.
    package var servers: ServerPair
    /// What is moved.
    package var selection: Selection
    /// How many tables are compared at once.
    package var jobs: Int
    /// The name of the target's position, which says whether it has caught up.
    package var stream: String
    /// Large objects are not compared.
    package var skipsLargeObjects = false
    /// Options of pg_dump and pg_restore that leave out parts of definitions, such as `--no-owner`.
    package var restoreOptions: [String] = []
    /// What the copy that filled the target says of it; nil without one.
    package var basis: ComparedCopy?

    /// Options with their defaults.
    package init(servers: ServerPair, selection: Selection, jobs: Int, stream: String) {
        self.servers = servers
        self.selection = selection
        self.jobs = jobs
        self.stream = stream
    }
}

/// A copy of which both sides are compared.
package struct ComparedCopy: Sendable {
    /// The spool, which has the definitions of the copy.
    package var spool: SpoolDirectory
    /// The publications that send the changes.
    package var publications: [String]
    /// The target had contents before.
    package var isShared: Bool
    /// The copy is complete.
    package var isComplete: Bool
    /// What comes to the target in the switchover, as pg_dump announces it.
    package var waiting: Set<String> = []

    /// A copy from which nothing is left out until the switchover.
    package init(spool: SpoolDirectory, publications: [String], isShared: Bool, isComplete: Bool) {
        self.spool = spool
        self.publications = publications
        self.isShared = isShared
        self.isComplete = isComplete
    }
}
