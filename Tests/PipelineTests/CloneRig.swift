import Glibc
import TestSupport
import Testing

/// A rig for `clone`: a database with a bit of everything on the source, and an empty one on the target.
extension Rig {
    static let wholeSchema = """
        CREATE EXTENSION hstore;
        CREATE SCHEMA shop; CREATE SCHEMA "odd "" schema";
        CREATE TYPE shop.mood AS ENUM ('sad', 'ok', 'it''s');
        CREATE DOMAIN shop.positive AS int CHECK (VALUE > 0);
        CREATE TYPE pair AS (a int, b text);
        CREATE SEQUENCE loose START 7 INCREMENT 3;
        CREATE TABLE shop.people (
          id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, mood shop.mood DEFAULT 'ok',
          twice int GENERATED ALWAYS AS (n * 2) STORED, n shop.positive, best bigint REFERENCES shop.people, p pair);
        COMMENT ON TABLE shop.people IS 'it''s a comment'; COMMENT ON COLUMN shop.people.n IS 'positive';
        CREATE TABLE shop.teams (id serial PRIMARY KEY, lead bigint REFERENCES shop.people DEFERRABLE, more hstore);
        ALTER TABLE shop.people ADD COLUMN team int REFERENCES shop.teams;
        CREATE INDEX people_name ON shop.people USING btree (lower(name)) WHERE n > 3;
        CREATE INDEX ON shop.people USING gist (point(n, n)); CREATE INDEX ON shop.people USING brin (n);
        CREATE TABLE "odd "" schema"."t a,b" ("c ""d" int, gone int, "e,f" text UNIQUE DEFERRABLE);
        ALTER TABLE "odd "" schema"."t a,b" DROP COLUMN gone;
        ALTER TABLE "odd "" schema"."t a,b" REPLICA IDENTITY FULL;
        CREATE TABLE m (id int, d date, v text, PRIMARY KEY (id, d)) PARTITION BY RANGE (d);
        CREATE TABLE m_old PARTITION OF m FOR VALUES FROM (MINVALUE) TO ('2024-01-01');
        CREATE TABLE m_new PARTITION OF m DEFAULT PARTITION BY HASH (id);
        CREATE TABLE m_new_0 PARTITION OF m_new FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE m_new_1 PARTITION OF m_new FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (PRIMARY KEY (id), v text) INHERITS (parent);
        CREATE VIEW shop.names AS SELECT name FROM shop.people;
        CREATE MATERIALIZED VIEW shop.counted AS SELECT team, count(*) FROM shop.people GROUP BY team;
        CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.v := upper(NEW.v); RETURN NEW; END';
        CREATE TRIGGER shouting BEFORE INSERT ON m FOR EACH ROW EXECUTE FUNCTION shout();
        CREATE RULE nothing AS ON DELETE TO parent DO ALSO NOTHING;
        CREATE STATISTICS both_of_them ON id, v FROM child; CREATE TABLE none ();
        ALTER TABLE none REPLICA IDENTITY FULL;
        CREATE TABLE generated (g int GENERATED ALWAYS AS (1) STORED); CREATE UNLOGGED TABLE unlogged (v int);

        """

    static let wholeRows = """
        INSERT INTO shop.people (name, n, p) SELECT 'n' || i, i, ROW(i, text E'a\\\\b"c')::pair FROM generate_series(1, 3000) i;
        INSERT INTO shop.teams (lead, more) SELECT i, 'a=>1, b=>NULL' FROM generate_series(1, 10) i;
        UPDATE shop.people SET best = 1 + id % 50, team = 1 + id % 10;
        INSERT INTO "odd "" schema"."t a,b" VALUES (1, E'\\\\.'), (2, NULL), (3, ''), (4, E'\\\\N'), (5, E'a\\tb\\nc\\r');
        INSERT INTO m SELECT i, date '2023-12-01' + i, 'x' || i FROM generate_series(1, 100) i;
        INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2, 'c'); INSERT INTO none DEFAULT VALUES;
        INSERT INTO none DEFAULT VALUES; INSERT INTO generated DEFAULT VALUES; INSERT INTO unlogged VALUES (1);
        REFRESH MATERIALIZED VIEW shop.counted; SELECT nextval('loose');

        """

    /// A change of everything that is followed.
    static let wholeChanges = """
        INSERT INTO shop.people (name, n) SELECT 'late' || i, i FROM generate_series(1, 50) i;
        UPDATE shop.people SET mood = 'sad' WHERE id % 7 = 0; DELETE FROM m WHERE id % 9 = 0;
        INSERT INTO m SELECT i, date '2023-12-01' + i, 'y' FROM generate_series(200, 230) i;
        UPDATE "odd "" schema"."t a,b" SET "e,f" = 'late' WHERE "c ""d" = 2; SELECT nextval('loose');

        """

    /// Makes such a rig.
    static func runClone(targetMajor: Int? = nil, _ body: (Rig) async throws -> Void) async throws {
        try await Rig.run(targetMajor: targetMajor, publication: nil, createsSlot: false) { rig in
            try await rig.onSource(wholeSchema + wholeRows)
            try await body(rig)
        }
    }

    /// The command line of a subcommand on both servers, for a shell. A folder named `first` comes first in its PATH.
    func cloneCommand(_ arguments: String) -> String {
        "PATH=\"$FOLDER/first:$PATH\" exec clone \(arguments) --source \"$SOURCE\" "
            + "--target \"$TARGET\" --dir \"$SPOOL\" --slot-name \"$NAME\" --origin \"$NAME\""
    }

    /// Runs clone to its end.
    func clone(_ arguments: String = "", failpoint: String = "") async throws -> Finished {
        try await shell("export WALRELAY_FAILPOINT='\(failpoint)'; " + cloneCommand(arguments))
    }

    /// Starts clone in the background; the process of the result is its own.
    func startClone(_ arguments: String) throws -> RunningProgram {
        try start(cloneCommand(arguments))
    }

    /// Both sides have the same definitions, rows and sequences; unlogged tables are copied and not followed.
    @discardableResult
    func expectCloned(
        sequences: Bool = true, _ location: SourceLocation = #_sourceLocation
    ) async throws -> DatabaseComparison.RowCounts {
        var counts = DatabaseComparison.RowCounts()
        let found = try await DatabaseComparison.differences(
            source: (source, sourceDatabase), target: (target, targetDatabase), includingSequences: sequences,
            counts: &counts)
        #expect(found == [], sourceLocation: location)
        try await expectEqualDefinitions(location)
        return counts
    }

    /// The definitions are those of the source. A newer server may print the same definitions otherwise (18 has names for
    /// NOT NULL): then they must be what pg_dump and psql by themselves make of the source's on the same server.
    private func expectEqualDefinitions(_ location: SourceLocation) async throws {
        var expected = sourceString
        var scratch: String?
        if source.installation.major != target.installation.major {
            let database = try await target.createDatabase(prefix: "definitions")
            scratch = database
            expected = target.connectionString(database: database)
            try await shell(
                """
                pg_dump --schema-only --no-publications -d "$SOURCE" |
                  psql -Xqo /dev/null -v ON_ERROR_STOP=1 -d '\(expected)'
                """
            ).checked("pg_dump | psql")
        }
        // Headers name the server's version, and a random key since the releases of August 2025.
        let compared = try await shell(
            """
            definitions() {
              pg_dump --schema-only --no-publications --exclude-schema=walrelay -d "$1" |
                grep -v -e '^.\\(un\\)\\?restrict ' -e '^-- Dumped from database version '
            }
            definitions '\(expected)' >definitions.1 && definitions "$TARGET" >definitions.2 &&
              grep -q '^-- PostgreSQL database dump complete' definitions.2 && diff definitions.1 definitions.2
            """)
        #expect(compared.succeeded, "\(compared)", sourceLocation: location)
        if let scratch { try await target.dropDatabase(scratch) }
    }

    /// Nothing is left of slot, publications and position.
    func expectCleanedUp(_ location: SourceLocation = #_sourceLocation) async throws {
        let left = try await source.sql(
            """
            SELECT slot_name FROM pg_replication_slots WHERE slot_name = '\(name)'
             UNION ALL SELECT pubname FROM pg_publication
            """, database: sourceDatabase)
        #expect(left.isEmpty, sourceLocation: location)
        let schema = try await target.sql(
            "SELECT nspname FROM pg_namespace WHERE nspname = 'walrelay'", database: targetDatabase)
        #expect(schema.isEmpty, sourceLocation: location)
    }
}
