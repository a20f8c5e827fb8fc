/// How the old row is identified in UPDATE and DELETE messages (`pg_class.relreplident`).
public enum ReplicaIdentity: UInt8, Sendable {
    /// The primary key, if there is one.
    case primaryKey = 0x64  // 'd'
    /// No old row is sent.
    case nothing = 0x6E  // 'n'
    /// The whole old row.
    case full = 0x66  // 'f'
    /// The columns of a chosen unique index.
    case index = 0x69  // 'i'
}

/// A table's layout: the Relation message, sent before the table's first change and again when it changed.
public struct Relation: Sendable, Equatable {
    /// A column of the layout.
    public struct Column: Sendable, Equatable {
        /// Part of the replica identity.
        public let isKey: Bool
        /// The column's name.
        public let name: String
        /// The OID of its type, on the source.
        public let typeOID: UInt32
        /// `pg_attribute.atttypmod`.
        public let typeModifier: Int32

        /// A column of the given name and type.
        public init(isKey: Bool, name: String, typeOID: UInt32, typeModifier: Int32 = -1) {
            self.isKey = isKey
            self.name = name
            self.typeOID = typeOID
            self.typeModifier = typeModifier
        }
    }

    /// The table's OID on the source; what change messages refer to.
    public let id: UInt32
    /// The schema; `pg_catalog` arrives as an empty string and is put back.
    public let namespace: String
    /// The table.
    public let name: String
    /// How old rows are identified.
    public let replicaIdentity: ReplicaIdentity
    /// The columns in the order of the tuples.
    public let columns: [Column]

    /// A layout of the given columns.
    public init(id: UInt32, namespace: String, name: String, replicaIdentity: ReplicaIdentity, columns: [Column]) {
        self.id = id
        self.namespace = namespace
        self.name = name
        self.replicaIdentity = replicaIdentity
        self.columns = columns
    }

    init(_ reader: inout MessageReader) throws(PgOutputError) {
        id = try reader.uint32()
        let schema = try reader.string()
        namespace = schema.isEmpty ? "pg_catalog" : schema
        name = try reader.string()
        guard let identity = ReplicaIdentity(rawValue: try reader.uint8()) else {
            throw reader.error(.unknownMarker)
        }
        replicaIdentity = identity
        let count = try reader.count16()
        var columns: [Column] = []
        // A column takes at least 10 bytes, so a wild count cannot reserve more than the message holds.
        columns.reserveCapacity(min(count, reader.remaining / 10))
        for _ in 0..<count {
            let flags = try reader.uint8()
            columns.append(
                Column(
                    isKey: flags & 1 != 0, name: try reader.string(), typeOID: try reader.uint32(),
                    typeModifier: try reader.int32()))
        }
        self.columns = columns
    }
}
