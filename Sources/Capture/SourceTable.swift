/// A table of the source, with what decides whether and how it can be published.
struct SourceTable: Sendable, Equatable {
    /// `pg_class.relkind` of what holds rows or has partitions that do.
    enum Kind: String, Sendable {
        case ordinary = "r"
        case partitioned = "p"
        case foreign = "f"
    }

    /// How the source's UPDATEs and DELETEs are to say which row they mean: `pg_class.relreplident`.
    enum Identity: String, Sendable {
        case primaryKey = "d"
        case index = "i"
        case full = "f"
        case nothing = "n"
    }

    var oid: UInt32
    var schema: String
    var name: String
    var kind = Kind.ordinary
    var isUnlogged = false
    var identity = Identity.primaryKey
    /// The index that the identity names is there, valid and checked at once; or the identity is the whole row.
    var isIdentityUsable = true
    /// It has a valid primary key that is checked at once.
    var hasPrimaryKey = true
    /// The topmost partitioned table above it, or itself if it is that.
    var root: UInt32?
    /// The extension that made it.
    var owningExtension: String?
    /// It has a generated column that is stored.
    var hasStoredGenerated = false
    /// A column of its identity's index is generated.
    var hasGeneratedKey = false
    /// It has a generated column that is not stored, which no old row can carry.
    var hasVirtualGenerated = false
    /// A unique index that could be its identity: whole, valid, checked at once, of columns that are NOT NULL.
    var identityIndex: String?

    /// An old row would contain generated columns. From 18 on its UPDATEs fail unless those are published.
    var needsGenerated: Bool { identity == .full ? hasStoredGenerated : hasGeneratedKey }

    /// UPDATE and DELETE continue working when they are published, and say which row they mean. Before 18 a generated column is
    /// never sent, also where it is the key.
    func canPublishUpdates(_ serverVersion: Int) -> Bool {
        isIdentityUsable && !(identity == .full && hasVirtualGenerated)
            && (serverVersion >= 180_000 || identity == .full || !hasGeneratedKey)
    }
}
