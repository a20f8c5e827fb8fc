import Postgres

/// A table of the source whose rows are to be copied.
package struct CopiedTable: Sendable, Equatable {
    /// Its object id on the source.
    package var oid: UInt32
    /// Schema and name, as SQL writes them.
    package var name: String
    /// The columns that COPY takes, as SQL writes them: all but generated ones. Nil when there are none.
    package var columns: String?
    /// Bytes on the source's disk.
    package var size: Int
    /// The file of its rows as the snapshot knows it.
    package var file: String
    /// Blocks of its rows on the source's disk.
    package var blocks: Int
    /// A crash of the target empties it.
    package var isUnlogged = false
    /// A range of its blocks can be read without reading the others.
    package var isDivisible: Bool
    /// The binary form of its values is the same in all versions, and tells nothing that only one database knows.
    package var isBinary = false
    /// To plan a query of it may run functions of other roles with the session's rights (``OthersCode``): it is read by COPY alone,
    /// which plans nothing.
    package var plansOthersCode = false
    /// The columns whose values are stored, as SQL writes them: those that COPY takes, and stored generated ones, which each side has
    /// computed for itself.
    package var storedColumns: String?

    /// The table and its columns for a COPY statement.
    package var copyList: String {
        columns.map { "\(name) (\($0))" } ?? name
    }

    /// How COPY is to write and read it.
    package var format: String { isBinary ? "binary" : "text" }
}

/// A sequence of the source.
package struct CopiedSequence: Sendable, Equatable {
    /// Schema and name, as SQL writes them.
    package var name: String
    /// The value that it gave last, or gives next.
    package var lastValue: String
    /// It has given that value.
    package var isCalled: Bool
}
