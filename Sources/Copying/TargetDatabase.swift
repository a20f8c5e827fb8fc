import Catalog
import Logging
import Observability
import Postgres
import Threading

/// The target as a place for a copy: what is in it, and how to empty it of what a copy has made.
package struct TargetDatabase {
    package let connection: Connection

    package init(_ string: ConnectionString) throws {
        do throws(PostgresError) {
            connection = try Connection(string, applicationName: DatabaseSession.applicationName)
        } catch {
            throw Self.saysWhatIsMissing(error, string)
        }
        for (name, value) in CopySettings.list(encoding: "UTF8") { try connection.set(name, to: value) }
    }

    private static func saysWhatIsMissing(_ error: PostgresError, _ string: ConnectionString) -> PostgresError {
        guard error.code == .cannotConnect, let name = string.parameters["dbname"],
            error.message.contains("database \"\(name)\" does not exist")
        else { return error }
        return PostgresError(
            .cannotConnect,
            error.message + ": make the target's database first, on that server: createdb \(ShellWord.quoted(name))")
    }

    /// The extensions that are there.
    package func extensions() throws -> [String] {
        try connection.execute(
            "SELECT extname FROM pg_catalog.pg_extension ORDER BY 1", doing: "listing the target's extensions"
        ).column()
    }

    /// Ends what sessions a clone that was killed may have left, and waits until they are gone.
    package func endOtherSessions() throws {
        let patience = Deadline.after(milliseconds: 30_000)
        while true {
            let ended = try connection.query(
                """
                SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
                 WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
                   AND application_name OPERATOR(pg_catalog.=) $1 AND pid <> pg_catalog.pg_backend_pid()
                """, [DatabaseSession.applicationName], doing: "ending the sessions of an earlier clone")
            guard ended.rowCount > 0 else { return }
            guard !patience.hasPassed else {
                throw ProgramFailure(
                    .failure, "\(ended.rowCount) sessions of an earlier clone do not end on the target")
            }
            _ = Polling.wait(-1, until: .after(milliseconds: 100))
        }
    }

    /// Drops everything that was not there before the copy began.
    ///
    /// - Parameters:
    ///   - extensions: those that were there.
    ///   - existing: what else was, as the statements that would drop it; nil where there was nothing.
    package func clear(keeping extensions: [String], _ existing: [String]? = nil) throws {
        let doing = "dropping what an earlier copy made"
        let made = try self.extensions().filter { !extensions.contains($0) }
        let dropExtensions = made.map { "DROP EXTENSION IF EXISTS \(Quoting.identifier($0)) CASCADE" }
        // One by one: the locks of a whole schema in one transaction may be more than the server has room for.
        for statement in try drops(besides: existing) + dropExtensions {
            try connection.execute(statement, doing: doing)
        }
        // What depended on something else may be left: of these, everything in public.
        let rest = try drops(besides: existing)
        for statement in rest { try connection.execute(statement, doing: doing) }
        // A target that had any takes none.
        try dropLargeObjects(unless: existing != nil)
    }

    /// The statements that drop what users made, and what is in their schemas, besides those that are given.
    package func drops(besides existing: [String]? = nil) throws -> [String] {
        let doing = "listing what is in the database"
        guard let existing else { return try connection.execute(Self.dropsQuery(), doing: doing).column() }
        let kept = Set(existing)
        let all = try connection.execute(Self.dropsQuery(isShared: true), doing: doing).column()
        // A schema that is to go takes with it what is in it.
        return all.filter { !kept.contains($0) }
    }

    /// Drops all large objects, in transactions of bounded size.
    ///
    /// - Parameter isShared: the target had contents before, and large objects are not told apart.
    package func dropLargeObjects(unless isShared: Bool = false) throws {
        guard !isShared else { return }
        let doing = "dropping large objects that an earlier copy made"
        while true {
            let unlinked = try connection.execute(
                "SELECT pg_catalog.lo_unlink(oid) FROM (SELECT oid FROM pg_catalog.pg_largeobject_metadata LIMIT "
                    + "\(LargeObjectBatch.objectsMax)) o", doing: doing)
            if unlinked.rowCount == 0 { break }
        }
    }

    /// Drops the indexes and keys of tables, which are named as SQL writes them, and those of partitioned tables and
    /// materialized views.
    package func dropKeys(of tables: Set<String>) throws {
        let doing = "dropping the indexes that an earlier run made"
        let result = try connection.execute(Self.keysQuery, doing: doing)
        for index in 0..<result.rowCount {
            let row = result.row(index)
            guard let schema = row[0], let table = row[1], let name = row[2] else { continue }
            let qualified = Quoting.qualified(schema, table)
            guard row[4] != "r" || tables.contains(qualified) else { continue }
            // What belongs to a partitioned table's goes with that, which comes first.
            let drop = row[3].map { "ALTER TABLE \(qualified) DROP CONSTRAINT IF EXISTS \(Quoting.identifier($0))" }
            try connection.execute(drop ?? "DROP INDEX IF EXISTS \(Quoting.qualified(schema, name))", doing: doing)
        }
    }

    /// Unlogged tables without rows, as a crash leaves them, named as SQL writes them. A query of one would run the code of its
    /// indexes (``OthersCode``).
    package func emptyUnloggedTables() throws -> [String] {
        let result = try connection.execute(
            """
            SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind = 'r' AND c.relpersistence = 'u' AND \(UserObject.namespace) AND pg_catalog.pg_relation_size(c.oid) = 0
            """, doing: "looking at unlogged tables")
        return (0..<result.rowCount).compactMap { index -> String? in
            guard let schema = result.text(index, 0), let table = result.text(index, 1) else { return nil }
            return Quoting.qualified(schema, table)
        }
    }

    /// Gives the sequences the source's values.
    package func set(_ sequences: [CopiedSequence]) throws {
        for sequence in sequences {
            try connection.query(
                "SELECT pg_catalog.setval($1::pg_catalog.regclass, $2::pg_catalog.int8, $3::pg_catalog.bool)",
                [sequence.name, sequence.lastValue, sequence.isCalled ? "t" : "f"], doing: "setting \(sequence.name)")
        }
    }

    /// Collects statistics, also of the partitioned tables themselves. One that cannot be read, as for want of a foreign
    /// partition's server, is named.
    package static func analyze(_ string: ConnectionString, threads: Int, stop: StopRequest, logger: Logger) throws {
        let target = try TargetDatabase(string)
        let tables = try target.connection.execute(analyzedQuery, doing: "listing the target's tables").column()
        try Parallel.run(tables, threads: threads, name: "analyze", stop: stop) {
            let connection = try DatabaseSession.connect(string, encoding: "UTF8")
            return { table in
                do throws(PostgresError) {
                    try connection.execute("ANALYZE \(table)", doing: "analyzing \(table)")
                } catch {
                    guard error.isOfStatement else { throw error }
                    logger.warning(
                        "\(table) has no statistics on the target (\(error.message)); run there: ANALYZE \(table);")
                }
            }
        }
    }
}

// The queries.
extension TargetDatabase {
    /// Indexes and the constraints that they belong to; of a tree of partitions the topmost first.
    private static let keysQuery = """
        SELECT n.nspname, t.relname, c.relname, o.conname, t.relkind
          FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
          JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
          JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
          LEFT JOIN pg_catalog.pg_constraint o ON o.conindid = i.indexrelid AND o.contype IN ('p', 'u', 'x')
         WHERE t.relkind IN ('r', 'p', 'm') AND \(UserObject.namespace)
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.objid = t.oid AND e.deptype = 'e')
         ORDER BY t.relkind = 'p' DESC, c.relispartition
        """

    static let eventTriggersQuery = """
        SELECT 1 AS place, pg_catalog.format('DROP EVENT TRIGGER IF EXISTS %I CASCADE', evtname) AS statement
          FROM pg_catalog.pg_event_trigger e
         WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                 WHERE d.classid = 'pg_catalog.pg_event_trigger'::pg_catalog.regclass AND d.objid = e.oid
                   AND d.deptype = 'e')
        """

    /// Statements that drop, one after the other, all that users made: each copes with what another has taken along.
    ///
    /// - Parameter isShared: not all of what is in schemas is to go with them.
    private static func dropsQuery(isShared: Bool = false) -> String {
        """
        SELECT statement FROM (
          \(eventTriggersQuery)
           UNION ALL
          SELECT 2, pg_catalog.format('DROP SCHEMA IF EXISTS %I CASCADE', n.nspname)
            FROM pg_catalog.pg_namespace n
           WHERE n.nspname <> 'public' AND \(UserObject.namespace)
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                   WHERE d.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.objid = n.oid
                     AND d.deptype = 'e')
           UNION ALL
          SELECT 3, pg_catalog.format('DROP %s IF EXISTS %s CASCADE',
                   CASE o.type WHEN 'composite type' THEN 'TYPE' WHEN 'statistics object' THEN 'STATISTICS'
                        ELSE pg_catalog.upper(o.type) END, o.identity)
            FROM (SELECT DISTINCT d.classid, d.objid FROM pg_catalog.pg_depend d
                   WHERE d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.deptype = 'n'
                     AND d.refobjid IN (SELECT n.oid FROM pg_catalog.pg_namespace n
                           WHERE n.nspname = 'public' OR \(isShared) AND \(UserObject.namespace))
                     AND d.classid <> 'pg_catalog.pg_extension'::pg_catalog.regclass
                     AND d.classid <> 'pg_catalog.pg_default_acl'::pg_catalog.regclass
                     AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                           WHERE e.classid = d.classid AND e.objid = d.objid AND e.deptype IN ('e', 'i')
                             AND (e.refclassid <> d.classid OR e.refobjid <> d.objid))) m,
                 LATERAL pg_catalog.pg_identify_object(m.classid, m.objid, 0) o
           UNION ALL
          SELECT 4, pg_catalog.format('DROP FOREIGN DATA WRAPPER IF EXISTS %I CASCADE', f.fdwname)
            FROM pg_catalog.pg_foreign_data_wrapper f
           WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                   WHERE d.classid = 'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass AND d.objid = f.oid
                     AND d.deptype = 'e')
           UNION ALL \(outsideSchemasQuery)
           UNION ALL \(defaultPrivilegesQuery)) s
         ORDER BY place
        """
    }

    private static let analyzedQuery = """
        SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND \(UserObject.namespace)
           AND \(SourceSnapshot.ownedByNoExtension)
         ORDER BY pg_catalog.pg_table_size(c.oid) DESC
        """
}
