import Postgres
import Selection

/// What a database's definitions are at one moment, as far as rows or their meaning depend on them: read by one query that
/// means the same on both sides and in all versions.
package struct CatalogFacts: Codable, Sendable, Equatable {
    /// What a fact is about, and how it is compared.
    package enum Kind: String, Codable, Sendable {
        case table, column, sequence
        case bound = "partition bound"
        case standard = "default"
        case identity = "replica identity"
        case key = "constraint"
        case index, trigger, function, type, view
        case publication
        /// Who owns it, and who may do what with it.
        case access = "owner and privileges"
        case policy = "row security"
        case option = "option of a view"
        case rule, cast, collation, statistics
        case owned = "owner of a sequence"
        case eventTrigger = "event trigger"
        case search = "text search"
        case server = "foreign server"
        case operation = "operator"
        /// What says that a table's rows are still those that were copied, and were followed since.
        case rows
        /// What says that values of its columns' types still mean what they did.
        case values

        /// It is compared with what it was on the source, and the target's is not looked at.
        package var isSourcesAlone: Bool { self == .publication || self == .rows || self == .values }

        /// What it says cannot be compared with what another server says.
        package var isPrintedOnce: Bool {
            switch self {
            case .view, .function, .access, .policy, .option, .rule, .cast, .collation, .statistics, .owned,
                .eventTrigger, .search,
                .server, .operation:
                true
            default: false
            }
        }

        /// It reads the same on both sides whatever their versions are. All others are compared with what they were.
        package var isPrintedAlike: Bool { [.table, .column, .sequence].contains(self) }

        /// An object of its own, which harms no row when the target has it and the source does not.
        package var isObject: Bool { ![.column, .bound, .standard, .identity, .publication].contains(self) }
    }

    /// What a fact is about.
    package struct Key: Codable, Sendable, Hashable {
        package var kind: Kind
        /// The schema that it is in.
        package var schema: String
        /// The table, view or sequence that it is, or belongs to.
        package var relation: String?
        /// Its name as SQL writes it, with what it belongs to.
        package var name: String

        /// It is of a table or view, which is a fact of its own.
        package var isPart: Bool { relation != nil && ![.table, .sequence, .view].contains(kind) }
    }

    /// A table or view.
    package struct Relation: Hashable {
        package var schema: String
        package var name: String?

        package init(_ key: Key) {
            schema = key.schema
            name = key.relation
        }
    }

    /// The tables and views that there are.
    package var relations: Set<Relation> {
        Set(values.keys.filter { $0.kind == .table || $0.kind == .view }.map { Relation($0) })
    }

    /// The facts.
    package private(set) var values: [Key: String] = [:]

    /// Facts that are given.
    package init(_ values: [Key: String]) { self.values = values }

    package subscript(key: Key) -> String? {
        get { values[key] }
        set { values[key] = newValue }
    }

    // An array of five texts for each, because there are many.
    package init(from decoder: any Decoder) throws {
        let rows = try decoder.singleValueContainer().decode([[String?]].self)
        for row in rows {
            guard row.count == 5, let kind = row[0].flatMap({ Kind(rawValue: $0) }), let schema = row[1],
                let name = row[3], let value = row[4]
            else { continue }
            values[Key(kind: kind, schema: schema, relation: row[2], name: name)] = value
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(
            values.map { key, value in [key.kind.rawValue, key.schema, key.relation, key.name, value] as [String?] })
    }
}

// Reading them.
extension CatalogFacts {
    /// The facts as a session sees them.
    ///
    /// - Parameter publications: those that send the changes; empty on the target.
    package static func read(_ connection: Connection, publications: [String]) throws -> CatalogFacts {
        var parts = [
            tables, columns, defaults, bounds, identities, sequences, constraints, indexes, triggers, types, composites,
            views,
            routines(connection.serverVersion),
        ]
        parts += others
        if !publications.isEmpty { parts += published(publications, connection.serverVersion) + [rows, meanings] }
        return try read(connection, parts)
    }

    /// Those about publications and rows alone, which say of what the stream may not have carried all.
    package static func carried(_ connection: Connection, publications: [String]) throws -> CatalogFacts {
        try read(connection, published(publications, connection.serverVersion) + [rows, meanings])
    }

    private static func read(_ connection: Connection, _ parts: [String]) throws -> CatalogFacts {
        let result = try connection.execute(
            parts.joined(separator: "\nUNION ALL\n"), doing: "looking at the definitions")
        var values: [Key: String] = [:]
        for index in 0..<result.rowCount {
            let row = result.row(index)
            guard let kind = row[0].flatMap({ Kind(rawValue: $0) }), let schema = row[1], let name = row[3] else {
                continue
            }
            values[Key(kind: kind, schema: schema, relation: row[2], name: name)] = row[4] ?? ""
        }
        return CatalogFacts(values)
    }

    package static let relations = """
        pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
        """
    static let ours = """
        c.relpersistence OPERATOR(pg_catalog.<>) 't' AND \(UserObject.namespace) AND \(SourceSnapshot.ownedByNoExtension)
        """
    static let named = "pg_catalog.format('%I.%I', n.nspname, c.relname)"

    private static let tables = """
        SELECT 'table' AS kind, n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS relation, \(named) AS name,
               pg_catalog.concat_ws(' ', CASE c.relpersistence WHEN 'u' THEN 'unlogged' END,
                 CASE c.relkind WHEN 'p' THEN 'partitioned' WHEN 'f' THEN 'foreign' WHEN 'c' THEN 'type' ELSE 'table' END,
                 (SELECT pg_catalog.concat('under ', pg_catalog.string_agg(
                           pg_catalog.format('%I.%I', pn.nspname, p.relname), ', ' ORDER BY i.inhseqno))
                    FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class p ON p.oid OPERATOR(pg_catalog.=) i.inhparent
                    JOIN pg_catalog.pg_namespace pn ON pn.oid OPERATOR(pg_catalog.=) p.relnamespace
                   WHERE i.inhrelid OPERATOR(pg_catalog.=) c.oid HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 0)) AS value
          FROM \(relations) WHERE c.relkind IN ('r', 'p', 'f', 'c') AND \(ours)
        """

    private static let columns = """
        SELECT 'column', n.nspname, c.relname, pg_catalog.format('%I.%I.%I', n.nspname, c.relname, a.attname),
               pg_catalog.concat_ws(' ', pg_catalog.format_type(a.atttypid, a.atttypmod),
                 CASE a.attidentity WHEN '' THEN NULL ELSE 'identity' END,
                 CASE pg_catalog.to_jsonb(a) OPERATOR(pg_catalog.->>) 'attgenerated' WHEN 's' THEN 'stored'
                      WHEN 'v' THEN 'virtual' END)
          FROM \(relations) JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) c.oid
         WHERE c.relkind IN ('r', 'p', 'f', 'c') AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped AND \(ours)
        """

    private static let defaults = """
        SELECT 'default', n.nspname, c.relname, pg_catalog.format('%I.%I.%I', n.nspname, c.relname, a.attname),
               pg_catalog.concat_ws(' ', CASE WHEN a.attnotnull THEN 'NOT NULL' END,
                 pg_catalog.pg_get_expr(d.adbin, d.adrelid))
          FROM \(relations) JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) c.oid
          LEFT JOIN pg_catalog.pg_attrdef d
            ON d.adrelid OPERATOR(pg_catalog.=) c.oid AND d.adnum OPERATOR(pg_catalog.=) a.attnum
         WHERE c.relkind IN ('r', 'p', 'f') AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
           AND (a.attnotnull OR d.oid IS NOT NULL) AND \(ours)
        """

    private static let bounds = """
        SELECT 'partition bound', n.nspname, c.relname, \(named), pg_catalog.pg_get_expr(c.relpartbound, c.oid)
          FROM \(relations) WHERE c.relispartition AND c.relkind IN ('r', 'p', 'f') AND \(ours)
        """

    private static let identities = """
        SELECT 'replica identity', n.nspname, c.relname, \(named),
               pg_catalog.concat_ws(' ', CASE c.relreplident WHEN 'd' THEN 'DEFAULT' WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING'
                                              ELSE 'INDEX' END,
                 (SELECT x.relname FROM pg_catalog.pg_index i
                    JOIN pg_catalog.pg_class x ON x.oid OPERATOR(pg_catalog.=) i.indexrelid
                   WHERE i.indrelid OPERATOR(pg_catalog.=) c.oid AND i.indisreplident))
          FROM \(relations) WHERE c.relkind IN ('r', 'p') AND \(ours)
        """

    private static let sequences = """
        SELECT 'sequence', n.nspname, c.relname, \(named),
               pg_catalog.concat_ws(' ', pg_catalog.format_type(s.seqtypid, NULL), 'INCREMENT', s.seqincrement, 'MINVALUE',
                 s.seqmin, 'MAXVALUE', s.seqmax, CASE WHEN s.seqcycle THEN 'CYCLE' END)
          FROM \(relations) JOIN pg_catalog.pg_sequence s ON s.seqrelid OPERATOR(pg_catalog.=) c.oid WHERE \(ours)
        """

    private static let constraints = """
        SELECT 'constraint', n.nspname, c.relname, pg_catalog.format('%I.%I.%I', n.nspname, c.relname, o.conname),
               pg_catalog.pg_get_constraintdef(o.oid)
          FROM \(relations) JOIN pg_catalog.pg_constraint o ON o.conrelid OPERATOR(pg_catalog.=) c.oid
         WHERE o.contype IN ('p', 'u', 'x', 'f', 'c') AND c.relkind IN ('r', 'p', 'f') AND \(ours)
        """

    private static let indexes = """
        SELECT 'index', n.nspname, c.relname, pg_catalog.format('%I.%I', n.nspname, x.relname),
               pg_catalog.pg_get_indexdef(i.indexrelid)
          FROM \(relations) JOIN pg_catalog.pg_index i ON i.indrelid OPERATOR(pg_catalog.=) c.oid
          JOIN pg_catalog.pg_class x ON x.oid OPERATOR(pg_catalog.=) i.indexrelid
         WHERE c.relkind IN ('r', 'p', 'm') AND i.indisvalid AND \(ours)
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint o WHERE o.conindid OPERATOR(pg_catalog.=) i.indexrelid)
        """

    private static let triggers = """
        SELECT 'trigger', n.nspname, c.relname, pg_catalog.format('%I.%I.%I', n.nspname, c.relname, t.tgname),
               pg_catalog.concat_ws(' ', t.tgenabled, pg_catalog.pg_get_triggerdef(t.oid))
          FROM \(relations) JOIN pg_catalog.pg_trigger t ON t.tgrelid OPERATOR(pg_catalog.=) c.oid
         WHERE NOT t.tgisinternal AND \(ours)
        """

    private static let types = """
        SELECT 'type', n.nspname, NULL, pg_catalog.format('%I.%I', n.nspname, t.typname),
               pg_catalog.concat_ws(' ', CASE t.typtype WHEN 'e' THEN 'ENUM' WHEN 'd' THEN 'DOMAIN' ELSE 'RANGE' END,
                 (SELECT pg_catalog.string_agg(pg_catalog.quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
                    FROM pg_catalog.pg_enum e WHERE e.enumtypid OPERATOR(pg_catalog.=) t.oid),
                 CASE t.typtype WHEN 'd' THEN pg_catalog.format_type(t.typbasetype, t.typtypmod) END,
                 CASE WHEN t.typnotnull THEN 'NOT NULL' END,
                 CASE t.typtype WHEN 'd' THEN 'DEFAULT ' OPERATOR(pg_catalog.||) t.typdefault END,
                 (SELECT pg_catalog.string_agg(pg_catalog.pg_get_constraintdef(o.oid), ' ' ORDER BY o.conname)
                    FROM pg_catalog.pg_constraint o
                   WHERE o.contypid OPERATOR(pg_catalog.=) t.oid AND o.contype OPERATOR(pg_catalog.=) 'c'),
                 (SELECT pg_catalog.format_type(r.rngsubtype, NULL) FROM pg_catalog.pg_range r
                   WHERE r.rngtypid OPERATOR(pg_catalog.=) t.oid))
          FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.typnamespace
         WHERE t.typtype IN ('e', 'd', 'r') AND \(UserObject.namespace) AND \(noExtension("pg_type", "t.oid"))
        """

    /// Values are found by the places of their attributes, whatever these are called.
    private static let composites = """
        SELECT 'type', n.nspname, NULL, pg_catalog.format('%I.%I', n.nspname, c.relname),
               (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum)
                  FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND NOT a.attisdropped)
          FROM \(relations) WHERE c.relkind OPERATOR(pg_catalog.=) 'c' AND \(ours)
        """

    /// What a view selects has object ids in it: it is compared only with what it was on the same side.
    private static let views = """
        SELECT 'view', n.nspname, c.relname, \(named),
               (SELECT pg_catalog.md5(r.ev_action::pg_catalog.text) FROM pg_catalog.pg_rewrite r
                 WHERE r.ev_class OPERATOR(pg_catalog.=) c.oid AND r.rulename OPERATOR(pg_catalog.=) '_RETURN')
          FROM \(relations) WHERE c.relkind IN ('v', 'm') AND \(ours)
        """

    /// A body in SQL's own words has no source text from 14 on.
    private static func routines(_ version: Int) -> String {
        let body = version >= 140_000 ? "pg_catalog.md5(p.prosqlbody::pg_catalog.text)" : "NULL"
        return """
            SELECT 'function', n.nspname, NULL,
                   pg_catalog.format('%I.%I(%s)', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)),
                   pg_catalog.concat_ws(' ', pg_catalog.md5(p.prosrc), p.probin, \(body),
                     pg_catalog.format_type(p.prorettype, NULL), p.provolatile, p.proisstrict, p.prosecdef, p.proleakproof,
                     p.proconfig, pg_catalog.pg_get_userbyid(p.proowner), p.proacl,
                     (SELECT pg_catalog.concat_ws(' ', a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggmtransfn, a.aggminvtransfn,
                               a.aggmfinalfn, pg_catalog.format_type(a.aggtranstype, NULL), a.agginitval, a.aggminitval)
                        FROM pg_catalog.pg_aggregate a WHERE a.aggfnoid OPERATOR(pg_catalog.=) p.oid))
              FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
             WHERE \(UserObject.namespace) AND \(noExtension("pg_proc", "p.oid"))
            """
    }

    /// A table or schema that was taken out of a publication and put back has another entry; a publication that was altered, or
    /// made again, another row; a table that left a published schema and came back, too.
    private static func published(_ publications: [String], _ version: Int) -> [String] {
        let names = publications.map { Quoting.literal($0) }.joined(separator: ", ")
        let tables = """
            \(published("%I of %I.%I", "r.oid, r.xmin, ")) JOIN pg_catalog.pg_publication_rel r
                ON r.prrelid OPERATOR(pg_catalog.=) c.oid
              JOIN pg_catalog.pg_publication p ON p.oid OPERATOR(pg_catalog.=) r.prpubid WHERE p.pubname IN (\(names))
            """
        let schemas = """
            \(published("%I of %I.%I by its schema", "r.oid, r.xmin, c.xmin, ")) JOIN pg_catalog.pg_publication_namespace r
                ON r.pnnspid OPERATOR(pg_catalog.=) n.oid
              JOIN pg_catalog.pg_publication p ON p.oid OPERATOR(pg_catalog.=) r.pnpubid
             WHERE p.pubname IN (\(names)) AND c.relkind IN ('r', 'p') AND \(ours)
            """
        let all = """
            \(published("%I of %I.%I", "")) JOIN pg_catalog.pg_publication p ON p.puballtables
             WHERE p.pubname IN (\(names)) AND c.relkind IN ('r', 'p') AND \(ours)
            """
        return version >= 150_000 ? [tables, all, schemas] : [tables, all]
    }

    private static func published(_ name: String, _ entry: String) -> String {
        """
        SELECT 'publication', n.nspname, c.relname, pg_catalog.format('\(name)', p.pubname, n.nspname, c.relname),
               pg_catalog.concat_ws(' ', \(entry)p.oid, p.xmin)
          FROM \(relations)
        """
    }

    /// A condition on an object of a catalog: no extension has made it.
    package static func noExtension(_ catalog: String, _ object: String) -> String {
        """
        NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid OPERATOR(pg_catalog.=)
          'pg_catalog.\(catalog)'::pg_catalog.regclass AND e.objid OPERATOR(pg_catalog.=) \(object)
          AND e.deptype OPERATOR(pg_catalog.=) 'e')
        """
    }
}
