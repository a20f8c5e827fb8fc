import Postgres

/// A table of the source whose rows are to be copied.
struct CopiedTable: Sendable, Equatable {
    /// Its object id on the source.
    var oid: UInt32
    /// Schema and name, as SQL writes them.
    var name: String
    /// The columns that COPY takes, as SQL writes them: all but generated ones. Nil when there are none.
    var columns: String?
    /// Bytes on the source's disk.
    var size: Int
    /// The file of its rows as the snapshot knows it.
    var file: String
    /// Blocks of its rows on the source's disk.
    var blocks: Int
    /// A crash of the target empties it.
    var isUnlogged = false
    /// A range of its blocks can be read without reading the others.
    var isDivisible: Bool
    /// The binary form of its values is the same in all versions, and tells nothing that only one database knows.
    var isBinary = false

    /// The table and its columns for a COPY statement.
    var copyList: String {
        columns.map { "\(name) (\($0))" } ?? name
    }

    /// How COPY is to write and read it.
    var format: String { isBinary ? "binary" : "text" }
}

/// A sequence of the source.
struct CopiedSequence: Sendable, Equatable {
    /// Schema and name, as SQL writes them.
    var name: String
    /// The value that it gave last, or gives next.
    var lastValue: String
    /// It has given that value.
    var isCalled: Bool
}
