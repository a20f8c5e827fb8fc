import FoundationEssentials
import PgOutput
import Postgres

/// Reads ``RelationFacts`` from the source's catalog.
struct CatalogReader {
    private let connection: Connection

    /// Prepares the question on a session: to plan it takes ten times as long as to answer it, and there may be thousands
    /// of tables.
    init(connection: Connection) throws {
        self.connection = connection
        let known = try connection.execute(
            "SELECT FROM pg_catalog.pg_prepared_statements WHERE name = 'walrelay_facts'",
            doing: "looking at the session")
        guard known.rowCount == 0 else { return }
        try connection.execute(
            "PREPARE walrelay_facts (pg_catalog.oid) AS \(CatalogReader.query)", doing: "preparing to read the catalog")
    }

    /// The facts of one table; nil when it was dropped meanwhile.
    func facts(relation: UInt32) throws -> RelationFacts? {
        // One JSON document a table: one round trip, and no second model of the catalog here.
        let result = try connection.execute(
            "EXECUTE walrelay_facts (\(relation))", doing: "reading the catalog about relation \(relation)")
        guard result.rowCount == 1, let json = result.text(0, 0) else { return nil }
        return try JSONDecoder().decode(RelationFacts.self, from: Data(json.utf8))
    }

    /// indnkeyatts exists since 11, attgenerated since 12: read through to_jsonb, so that one text serves all versions.
    private static let query = """
        SELECT pg_catalog.json_build_object(
          'relation', c.oid::pg_catalog.int8,
          'schema', n.nspname, 'table', c.relname, 'kind', c.relkind,
          'hasChildren', c.relkind <> 'p' AND EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = c.oid),
          'primaryKey', COALESCE((
            SELECT pg_catalog.json_agg(a.attname ORDER BY k.position)
              FROM pg_catalog.pg_index i
              CROSS JOIN LATERAL (SELECT COALESCE(
                     (pg_catalog.to_jsonb(i) ->> 'indnkeyatts')::pg_catalog.int4, i.indnatts) AS count) keys
              CROSS JOIN LATERAL pg_catalog.unnest(i.indkey) WITH ORDINALITY k (attnum, position)
              JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
             WHERE i.indrelid = c.oid AND i.indisprimary AND i.indimmediate AND i.indisvalid
               AND k.position <= keys.count), '[]'),
          'uniqueIndexes', COALESCE((
            SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', x.relname, 'columns', (
                     SELECT pg_catalog.json_agg(a.attname ORDER BY k.position)
                       FROM pg_catalog.unnest(i.indkey) WITH ORDINALITY k (attnum, position)
                       JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
                      WHERE k.position <= keys.count)) ORDER BY x.relname)
              FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
              CROSS JOIN LATERAL (SELECT COALESCE(
                     (pg_catalog.to_jsonb(i) ->> 'indnkeyatts')::pg_catalog.int4, i.indnatts) AS count) keys
             WHERE i.indrelid = c.oid AND i.indisunique AND NOT i.indisprimary AND i.indisvalid
               AND i.indpred IS NULL AND i.indexprs IS NULL), '[]'),
          'columns', COALESCE((
            SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
                     'name', a.attname,
                     'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
                     'identity', NULLIF(a.attidentity, ''),
                     'isGenerated', COALESCE(NULLIF(pg_catalog.to_jsonb(a) ->> 'attgenerated', '') IS NOT NULL, false),
                     'equalitySchema', NULLIF(on_.nspname, 'pg_catalog'),
                     'hasAmbiguousEquality', NULLIF(\(AmbiguousEquality.condition("base.oid")), false))
                     ORDER BY a.attnum)
              FROM pg_catalog.pg_attribute a
              CROSS JOIN LATERAL (
                WITH RECURSIVE type AS (
                  SELECT t.oid, t.typbasetype FROM pg_catalog.pg_type t WHERE t.oid = a.atttypid
                   UNION ALL
                  SELECT t.oid, t.typbasetype FROM type JOIN pg_catalog.pg_type t ON t.oid = type.typbasetype)
                SELECT oid FROM type WHERE typbasetype = 0) base
              LEFT JOIN pg_catalog.pg_opclass oc
                ON oc.opcintype = base.oid AND oc.opcdefault
               AND oc.opcmethod = (SELECT oid FROM pg_catalog.pg_am WHERE amname = 'btree')
              LEFT JOIN pg_catalog.pg_amop ao
                ON ao.amopfamily = oc.opcfamily AND ao.amopstrategy = 3
               AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype
              LEFT JOIN pg_catalog.pg_operator o ON o.oid = ao.amopopr
              LEFT JOIN pg_catalog.pg_namespace on_ ON on_.oid = o.oprnamespace
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]'))
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.oid = $1
        """
}
