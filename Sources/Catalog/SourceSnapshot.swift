import Postgres
import Selection

/// A session with the source that sees one exported snapshot and nothing later.
package final class SourceSnapshot {
    package let connection: Connection
    private let snapshot: String?

    /// Opens the session. Without the name of a snapshot it makes one of its own.
    package init(_ string: ConnectionString, snapshot: String?, encoding: String) throws {
        connection = try Connection(string, applicationName: DatabaseSession.applicationName)
        self.snapshot = snapshot
        for (name, value) in CopySettings.list(encoding: encoding) { try connection.set(name, to: value) }
        try begin()
    }

    /// Begins a transaction that sees the snapshot. The one before it, and its locks, end.
    package func begin() throws {
        try connection.execute("COMMIT", doing: "ending a transaction on the source")
        try connection.execute(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", doing: "beginning a transaction on the source")
        guard let snapshot else { return }
        try connection.execute(
            "SET TRANSACTION SNAPSHOT \(Quoting.literal(snapshot))", doing: "taking the snapshot on the source")
    }

    /// Gives others the snapshot of this session, for as long as its transaction lasts.
    package func export() throws -> String {
        let doing = "exporting a snapshot"
        let result = try connection.execute("SELECT pg_catalog.pg_export_snapshot()", doing: doing)
        guard let name = result.text(0, 0) else {
            throw PostgresError(.unexpectedAnswer, "the source named none", doing: doing)
        }
        return name
    }

    /// The tables whose rows are copied, the largest first.
    package func tables(_ selection: Selection) throws -> [CopiedTable] {
        try Self.tables(on: connection, selection)
    }

    /// The tables whose rows are copied, as a session sees them, the largest first.
    package static func tables(on connection: Connection, _ selection: Selection) throws -> [CopiedTable] {
        let result = try connection.execute(tablesQuery, doing: "listing the tables")
        return (0..<result.rowCount).compactMap { index in
            let row = result.row(index)
            guard let oid = row[0].flatMap({ UInt32($0) }), let schema = row[1], let table = row[2], let file = row[5],
                selection.includesData(schema: schema, table: table)
            else { return nil }
            return CopiedTable(
                oid: oid, name: Quoting.qualified(schema, table), columns: row[3],
                size: row[4].flatMap { Int($0) } ?? 0, file: file,
                blocks: row[6].flatMap { Int($0) } ?? 0, isUnlogged: row[8] == "u",
                isDivisible: row[3] != nil && row[7] == "t" && row[10] != "t", isBinary: row[9] == "t",
                plansOthersCode: row[10] == "t", storedColumns: row[11])
        }
    }

    /// Sequences and where they stand now; a sequence knows no snapshot.
    package static func sequences(
        on connection: Connection, _ selection: Selection = Selection()
    ) throws -> [CopiedSequence] {
        let objects = selection.includesAllObjects ? nil : try SourceObjects(on: connection, selection)
        let names = try connection.execute(sequencesQuery, doing: "listing the sequences")
        return try (0..<names.rowCount).compactMap { index in
            guard let schema = names.text(index, 0), let sequence = names.text(index, 1) else { return nil }
            if let objects {
                guard let relation = names.text(index, 2).flatMap({ UInt32($0) }).flatMap({ objects.relations[$0] }),
                    objects.includes(relation)
                else { return nil }
            }
            let name = Quoting.qualified(schema, sequence)
            let value = try connection.execute("SELECT last_value, is_called FROM \(name)", doing: "reading \(name)")
            guard let last = value.text(0, 0) else { return nil }
            return CopiedSequence(name: name, lastValue: last, isCalled: value.text(0, 1) == "t")
        }
    }

    /// The columns of the table `c` that are generated as the condition says, as SQL writes them.
    private static func columns(_ generated: String) -> String {
        """
        (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(attname), ', ' ORDER BY attnum)
           FROM pg_catalog.pg_attribute a WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
            AND coalesce(pg_catalog.to_jsonb(a) ->> 'attgenerated', '') \(generated))
        """
    }

    /// Ordinary tables, which includes partitions; what an extension made, it fills itself. A range of ctids is looked up
    /// from 14 on; before, every part would read the whole table.
    private static let tablesQuery = """
        SELECT c.oid, n.nspname, c.relname,
               \(columns("= ''")),
               pg_catalog.pg_table_size(c.oid), c.relfilenode,
               pg_catalog.pg_relation_size(c.oid)
                 OPERATOR(pg_catalog./) pg_catalog.current_setting('block_size')::pg_catalog.int8,
               pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 140000
                 AND EXISTS (SELECT FROM pg_catalog.pg_am WHERE oid = c.relam AND amname = 'heap'),
               c.relpersistence,
               NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a
                             JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
                             LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND e.typarray = t.oid
                            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND t.typtype <> 'e'
                              AND coalesce(e.oid, t.oid) <> ALL ('{\(binaryTypes)}'::pg_catalog.oid[])),
               \(OthersCode.isPlanned),
               \(columns("<> 'v'"))
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind = 'r' AND c.relpersistence <> 't'
           AND \(UserObject.namespace) AND \(ownedByNoExtension)
         ORDER BY 5 DESC, 2, 3
        """

    /// Types whose binary form has been the same since version 12, by the object ids that they have everywhere: bool, bytea,
    /// name, the integers, text, oid, json, float4, float8, cidr, macaddr8, macaddr, inet, char(n), varchar, date, time,
    /// timestamp, timestamptz, interval, timetz, bit, varbit, numeric, uuid and jsonb. Arrays of them have it too, and enums
    /// travel by their labels. Others have object ids of one database in them, like composites, or are rare.
    private static let binaryTypes =
        "16,17,19,20,21,23,25,26,114,700,701,650,774,829,869,1042,1043,1082,1083,1114,1184,1186,1266,1560,1562,1700,"
        + "2950,3802"

    private static let sequencesQuery = """
        SELECT n.nspname, c.relname, c.oid
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind = 'S' AND c.relpersistence <> 't'
           AND \(UserObject.namespace) AND \(ownedByNoExtension)
         ORDER BY 1, 2
        """

    package static let ownedByNoExtension = """
        NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                       AND d.objid = c.oid AND d.deptype = 'e')
        """
}
