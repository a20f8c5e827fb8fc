import Glibc
import TestSupport
import Testing

/// A database of hundreds of tables that moves while it is written to.
@Suite(.timeLimit(.minutes(4)))
struct CloneManyTablesTests {
    /// Two hundred tables with indexes of all kinds, foreign keys that go around in a circle, privileges and comments.
    private static let tables = """
        CREATE SCHEMA many; GRANT USAGE ON SCHEMA many TO pg_monitor;
        DO $do$
        DECLARE t text; kind text;
        BEGIN
          FOR i IN 0..199 LOOP
            t := format('many.%I', 'Table ' || i);
            EXECUTE format('CREATE TABLE %s (id int PRIMARY KEY, next int, v text COLLATE "C", doc jsonb, place point,
              span int4range, words tsvector, at timestamptz DEFAULT now(), CHECK (id >= 0))', t);
            kind := (ARRAY['(v)', 'USING hash (v)', 'USING gin (doc)', 'USING gist (place)', 'USING spgist (place)',
              'USING brin (at)', '(id) INCLUDE (v)', '(lower(v), id DESC NULLS LAST) WHERE next IS NULL',
              'USING gin (words)', '(v text_pattern_ops) WITH (fillfactor = 70)'])[1 + i % 10];
            EXECUTE format('CREATE INDEX ON %s %s', t, kind);
            IF i % 7 = 0 THEN
              EXECUTE format('ALTER TABLE %s ADD EXCLUDE USING gist (span WITH &&), ADD UNIQUE (id, v) DEFERRABLE', t);
            END IF;
            IF i % 5 = 0 THEN EXECUTE format('GRANT SELECT, UPDATE (v) ON %s TO pg_monitor', t); END IF;
            IF i % 6 = 0 THEN EXECUTE format('CLUSTER %s USING %I', t, 'Table ' || i || '_pkey'); END IF;
            EXECUTE format('COMMENT ON TABLE %s IS %L', t, 'number ' || i || E'\\n''quoted''');
            EXECUTE format('INSERT INTO %s (id, v, doc, place, span, words) SELECT g, repeat(''v'', g), jsonb_build_object(''g'', g),
              point(g, %s), int4range(g, g + 1), to_tsvector(''simple'', ''word '' || g) FROM generate_series(0, 29) g', t, i);
          END LOOP;
          FOR i IN 0..199 LOOP
            EXECUTE format('ALTER TABLE many.%I ADD FOREIGN KEY (next) REFERENCES many.%I (id) DEFERRABLE',
              'Table ' || i, 'Table ' || (i + 1) % 200);
            EXECUTE format('UPDATE many.%I SET next = id WHERE id < 3', 'Table ' || i);
          END LOOP;
        END $do$;
        CREATE VIEW many.all_of_them AS SELECT * FROM many."Table 0" UNION ALL SELECT * FROM many."Table 1";
        SELECT lo_from_bytea(0, decode(repeat('00ff', g), 'hex')) FROM generate_series(1, 20) g;

        """

    /// Changes that touch all of them.
    private static let changes = """
        DO $do$ BEGIN
          FOR i IN 0..199 LOOP
            EXECUTE format('UPDATE many.%I SET v = v || ''!'', doc = NULL WHERE id %% 3 = 0', 'Table ' || i);
            EXECUTE format('DELETE FROM many.%I WHERE id BETWEEN 20 AND 25', 'Table ' || i);
            EXECUTE format('INSERT INTO many.%I (id, next) VALUES (%s, 1)', 'Table ' || i, 100 + i);
          END LOOP;
        END $do$
        """

    @Test func aDatabaseOfManyTablesMovesUnderLoad() async throws {
        try await Rig.runClone { rig in
            try await rig.onSource(Self.tables)
            try await Load.prepare(rig)
            try await Load.preparePairs(rig)
            let load = try Load.startWithSwaps(rig, seed: 9)
            try await rig.source.awaitSQL(
                "SELECT count(*) > 20 FROM pgbench_history", equals: "t", database: rig.sourceDatabase)
            let follower = try rig.startClone("--follow --table-jobs 2 --index-jobs 2")
            // Before, while and after the rows are copied.
            try await rig.onSource(Self.changes.replacing("100 + i", with: "400 + i").replacing("!", with: "?"))
            try await follower.awaitLog(containing: "following the source's changes")
            try await rig.onSource(Self.changes)
            #expect(load.isRunning, "\(load.stderr)")
            load.signal(SIGINT)
            _ = try await load.wait()
            #expect(!load.stderr.contains("ERROR") && !load.stderr.contains("aborted"), "\(load.stderr)")
            try await rig.shell(rig.cloneCommand("switchover")).checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            try await rig.expectCloned()
            let objects = """
                SELECT md5(string_agg(oid || md5(lo_get(oid)), ',' ORDER BY oid)) FROM pg_largeobject_metadata
                """
            #expect(try await rig.onTarget(objects) == (try await rig.onSource(objects)))
            #expect(try await rig.onTarget("SELECT count(*) FROM ledger") != "0")
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
            try await rig.expectCleanedUp()
        }
    }
}
