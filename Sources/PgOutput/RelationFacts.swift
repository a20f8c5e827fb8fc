/// Facts about a table from the source's catalog that pgoutput does not carry; the payload of relation records.
///
/// Advisory: read at about the time of the Relation message, by a session of its own. Where a fact names a column that
/// the Relation message lacks, it is ignored.
public struct RelationFacts: Codable, Sendable, Equatable {
    /// The table's OID on the source.
    public var relation: UInt32
    /// The schema.
    public var schema: String
    /// The table.
    public var table: String
    /// `pg_class.relkind`: `r` for a table, `p` for a partitioned one.
    public var kind: String
    /// Other tables inherit from this ordinary table, so that statements about it must say ONLY.
    public var hasChildren: Bool
    /// The primary key's columns, in its order; empty when there is none, or when it is deferrable: within a
    /// transaction two rows may then have the same key.
    public var primaryKey: [String]
    /// The other unique indexes without predicate or expression.
    public var uniqueIndexes: [UniqueIndex]
    /// The columns that are not dropped.
    public var columns: [Column]

    /// A unique index.
    public struct UniqueIndex: Codable, Sendable, Equatable {
        /// The index.
        public var name: String
        /// Its columns, in its order.
        public var columns: [String]

        /// An index of the given columns.
        public init(name: String, columns: [String]) {
            self.name = name
            self.columns = columns
        }
    }

    /// A column.
    public struct Column: Codable, Sendable, Equatable {
        /// The column's name.
        public var name: String
        /// The type as `format_type` writes it, schema-qualified where it is not built in.
        public var type: String
        /// `a` for GENERATED ALWAYS AS IDENTITY, `d` for BY DEFAULT.
        public var identity: String?
        /// Computed by the server: never to be written.
        public var isGenerated: Bool
        /// The schema of the type's own `=`, where that is not `pg_catalog` (extension types such as citext).
        public var equalitySchema: String?
        /// `=` between two values of the type may mean another type's, or nothing: it has none of its own, only the one for all
        /// enums, ranges, arrays or rows, and somebody made an implicit cast from it. Nil counts as false.
        public var hasAmbiguousEquality: Bool?

        /// A column of the given type.
        public init(
            name: String, type: String, identity: String? = nil, isGenerated: Bool = false,
            equalitySchema: String? = nil, hasAmbiguousEquality: Bool? = nil
        ) {
            self.name = name
            self.type = type
            self.identity = identity
            self.isGenerated = isGenerated
            self.equalitySchema = equalitySchema
            self.hasAmbiguousEquality = hasAmbiguousEquality
        }
    }

    /// The facts of one table.
    public init(
        relation: UInt32, schema: String, table: String, kind: String = "r", hasChildren: Bool = false,
        primaryKey: [String] = [], uniqueIndexes: [UniqueIndex] = [], columns: [Column] = []
    ) {
        self.relation = relation
        self.schema = schema
        self.table = table
        self.kind = kind
        self.hasChildren = hasChildren
        self.primaryKey = primaryKey
        self.uniqueIndexes = uniqueIndexes
        self.columns = columns
    }
}
