import TestSupport

/// What an ordinary user puts before pg_catalog: for each operator, function, type and relation there that this project's
/// sources could mean, one of the same name in the schema `evil`, which tells the server's log when it is used.
struct Traps {
    /// The ordinary user who owns them.
    let role: String

    /// What every line of the log begins with that a trap wrote.
    private static let mark = "trap sprung: "

    /// Makes the traps in a database, and has its `search_path` begin with them.
    func set(_ cluster: Cluster, _ database: String) async throws {
        try await make(cluster, database)
        try await cluster.sql("ALTER DATABASE \(database) SET search_path = evil, public, pg_catalog")
    }

    /// The traps alone.
    func make(_ cluster: Cluster, _ database: String) async throws {
        let words = try await Self.words().map { "'\($0)'" }.joined(separator: ",")
        try await cluster.sql(
            """
            SET search_path = pg_catalog;
            CREATE SCHEMA evil; GRANT ALL ON SCHEMA evil, public TO \(role); GRANT USAGE ON SCHEMA evil TO PUBLIC;
            SET ROLE \(role);
            \(Self.bell)
            CREATE TEMP TABLE words (word name); INSERT INTO words SELECT unnest(ARRAY[\(words)]);
            DO $do$
            DECLARE s text; made int := 0; failed int := 0;
            BEGIN
              FOR s IN \(Self.operators) UNION ALL \(Self.functions) UNION ALL \(Self.types)
                       UNION ALL \(Self.relations) LOOP
                BEGIN EXECUTE s; made := made + 1; EXCEPTION WHEN OTHERS THEN failed := failed + 1; END;
              END LOOP;
              IF made < 2000 OR failed > made / 4 THEN
                RAISE EXCEPTION '% traps made, % failed', made, failed;
              END IF;
            END $do$;
            DROP TABLE words;
            """, database: database)
    }

    /// The traps that someone other than their owner has stepped into.
    static func sprung(_ cluster: Cluster, _ database: String) -> [String] {
        cluster.serverLogTail(lines: .max).split(separator: "\n")
            .filter { $0.contains(mark) && $0.contains("by postgres in \(database) ") }.map(String.init)
    }

    /// Whether the traps work at all: their owner steps into one of each kind.
    func work(_ cluster: Cluster, _ database: String) async throws -> Bool {
        _ = try? await cluster.sql("SET ROLE \(role); SELECT oid FROM pg_class", database: database)
        try await cluster.sql(
            "SET ROLE \(role); SELECT 'a'::pg_catalog.name = 'b'; SELECT current_database(); SELECT 'a'::text",
            database: database
        )
        let log = cluster.serverLogTail(lines: .max)
        return ["operator =", "function current_database", "type text", "relation pg_class"].allSatisfy {
            log.contains("\(Self.mark)\($0) by \(role) in \(database) ")
        }
    }

    /// A trigger that fills the temporary schema of the session that fires it, which is that of replay.
    static let litter = """
        CREATE FUNCTION evil.litter() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          IF pg_catalog.to_regclass('pg_temp.pg_class') IS NOT NULL THEN RETURN NULL; END IF;
          CREATE TEMP VIEW pg_class AS SELECT evil.ring('temporary pg_class') AS oid;
          CREATE TEMP VIEW pg_namespace AS SELECT evil.ring('temporary pg_namespace') AS oid;
          CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (evil.ring('temporary text'));
          CREATE DOMAIN pg_temp.int4 AS pg_catalog.int4 CHECK (evil.ring('temporary int4'));
          RETURN NULL; END $$;
        CREATE TRIGGER litter AFTER INSERT ON t EXECUTE FUNCTION evil.litter();
        ALTER TABLE t ENABLE ALWAYS TRIGGER litter;

        """
}

// What the traps are made of.
extension Traps {
    /// Says in the server's log what was used and by whom; nothing rolls that back, and read-only transactions may.
    private static let bell = """
        CREATE FUNCTION evil.ring(what text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
          RAISE LOG '\(mark)% by % in % ', what, current_user, pg_catalog.current_database(); RETURN NULL; END $$;
        """

    /// Every operator of pg_catalog, and the usual ones for all pairs of the types that catalogs have.
    private static let operators = """
        SELECT format('CREATE FUNCTION evil.operator_%s(%s) RETURNS %s LANGUAGE plpgsql AS %L;'
            ' CREATE OPERATOR evil.%s (%s RIGHTARG = %s, FUNCTION = evil.operator_%s)', number,
            concat_ws(', ', l, r), result, format('BEGIN PERFORM evil.ring(%L); RETURN NULL; END', 'operator ' || name),
            name, 'LEFTARG = ' || l || ',', r, number)
          FROM (SELECT row_number() OVER () AS number, * FROM (
            SELECT oprname::text AS name, CASE WHEN oprleft <> 0 THEN format_type(oprleft, NULL) END AS l,
                   format_type(oprright, NULL) AS r, format_type(oprresult, NULL) AS result
              FROM pg_operator WHERE oprnamespace = 'pg_catalog'::regnamespace
             UNION SELECT name, l, r, CASE name WHEN '||' THEN 'text' ELSE 'bool' END
              FROM unnest(ARRAY['=', '<>', '<', '>', '<=', '>=', '~', '!~', '~~', '||']) AS name,
                   unnest(\(catalogTypes)) AS l, unnest(\(catalogTypes)) AS r) AS distinct_ones) AS numbered
        """
    private static let catalogTypes = """
        ARRAY['name', 'text', '"char"', 'oid', 'smallint', 'integer', 'bigint', 'regclass', 'xid', 'boolean', 'pg_lsn']
        """

    /// The functions whose names are in the sources, with the same arguments; aggregates as ordinary functions.
    private static let functions = """
        SELECT format('CREATE FUNCTION evil.%I(%s) RETURNS %s%s LANGUAGE plpgsql AS %L', p.proname,
            (SELECT string_agg(concat(CASE WHEN p.provariadic <> 0 AND a.n = p.pronargs THEN 'VARIADIC ' END,
                      CASE format_type(a.type, NULL)
                        WHEN '"any"' THEN CASE WHEN p.provariadic <> 0 AND a.n = p.pronargs THEN 'anyarray'
                                               ELSE 'anyelement' END
                        ELSE format_type(a.type, NULL) END), ', ' ORDER BY a.n)
               FROM unnest(p.proargtypes) WITH ORDINALITY AS a (type, n)),
            CASE WHEN p.proretset THEN 'SETOF ' END, format_type(p.prorettype, NULL),
            format('BEGIN PERFORM evil.ring(%L); RETURN%s; END', 'function ' || p.proname,
                CASE WHEN NOT p.proretset AND p.prorettype <> 'void'::regtype THEN ' NULL' END))
          FROM pg_proc p JOIN words w ON w.word = p.proname WHERE p.pronamespace = 'pg_catalog'::regnamespace
        """

    private static let types = """
        SELECT format('CREATE DOMAIN evil.%I AS pg_catalog.%I CHECK (evil.ring(%L))', typname, typname, 'type ' || typname)
          FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype = 'b' AND typname !~ '^_'
        """

    private static let relations = """
        SELECT format('CREATE VIEW evil.%I AS SELECT evil.ring(%L) AS oid', relname, 'relation ' || relname)
          FROM pg_class JOIN words ON word = relname
         WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind IN ('r', 'v')
        """

    /// Every word of the sources that could be a name of SQL.
    private static func words() async throws -> [String] {
        // <root>/Tests/PipelineTests/Traps.swift
        let sources = #filePath.split(separator: "/").dropLast(3).map { "/\($0)" }.joined() + "/Sources"
        return try await Program.shell("grep -rhoE '\\<[a-z_][a-z_0-9]{2,62}\\>' '\(sources)' | sort -u").checked(
            "grep"
        )
        .outputLines
    }
}
