import Glibc
import Observability
import TestSupport
import Testing

/// Definitions that depend on what comes after the rows: keys, views that need a key, and what reads them.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct CloneOrderTests {
    /// pg_dump makes grouped, deep and twice in two steps, and stored, its indexes, valued and its index after the key.
    private static let chain = """
        CREATE TABLE items (id int PRIMARY KEY, v int NOT NULL, n int); CREATE TABLE others (id int PRIMARY KEY, item int REFERENCES items);
        CREATE VIEW grouped AS SELECT i.id, i.v, count(o.*) FROM items i LEFT JOIN others o ON o.item = i.id GROUP BY i.id;
        CREATE MATERIALIZED VIEW stored AS SELECT id, v, count(*) FROM items GROUP BY id;
        CREATE UNIQUE INDEX stored_id ON stored (id); COMMENT ON INDEX stored_id IS 'of a view';
        CREATE VIEW deep AS SELECT s.id, g.v FROM stored s JOIN grouped g ON g.id = s.id;
        CREATE MATERIALIZED VIEW deeper AS SELECT * FROM deep; CREATE INDEX deeper_v ON deeper (v DESC) WITH (fillfactor = 50);
        CREATE STATISTICS deeper_both ON id, v FROM deeper; CREATE VIEW twice AS SELECT id, v FROM items GROUP BY id;
        CREATE RULE no_insert AS ON INSERT TO deep DO INSTEAD NOTHING; COMMENT ON VIEW deep IS 'deep';
        CREATE FUNCTION valued(int) RETURNS int IMMUTABLE LANGUAGE sql BEGIN ATOMIC SELECT v FROM items WHERE id = $1 GROUP BY id; END;
        CREATE INDEX others_valued ON others (valued(item)); CREATE INDEX others_item ON others (item); COMMENT ON INDEX others_item IS 'plain';
        COMMENT ON CONSTRAINT items_pkey ON items IS 'a key'; CREATE VIEW calls AS SELECT valued(item) FROM others;
        CREATE FUNCTION of_row(stored) RETURNS int LANGUAGE sql AS 'SELECT $1.v'; CREATE VIEW rows AS SELECT of_row(s) FROM stored s;
        CREATE TABLE parts (id int, k int, PRIMARY KEY (id, k)) PARTITION BY RANGE (k); CREATE INDEX parts_valued ON parts (valued(id));
        CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (50); CREATE TABLE parts_2 PARTITION OF parts DEFAULT;
        CREATE UNIQUE INDEX parts_1_k ON parts_1 (k, id); ALTER TABLE parts_1 CLUSTER ON parts_1_pkey; ALTER TABLE parts_1 REPLICA IDENTITY USING INDEX parts_1_k;
        CREATE TABLE refers (id int PRIMARY KEY, k int, FOREIGN KEY (id, k) REFERENCES parts);
        CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no definitions any more'; END $$;
        INSERT INTO items SELECT g, g % 7, g FROM generate_series(1, 500) g; INSERT INTO others SELECT g, g FROM generate_series(1, 300) g;
        INSERT INTO parts SELECT g, g FROM generate_series(1, 100) g; INSERT INTO refers SELECT g, g FROM generate_series(1, 100) g;
        REFRESH MATERIALIZED VIEW stored; REFRESH MATERIALIZED VIEW deeper;
        ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC;
        CREATE EVENT TRIGGER refusing ON ddl_command_start EXECUTE FUNCTION note();

        """

    private static func run(
        targetMajor: Int? = nil, _ body: (Rig) async throws -> Void
    ) async throws {
        try await Rig.run(targetMajor: targetMajor, publication: nil, createsSlot: false) { rig in
            try await rig.onSource(chain)
            try await body(rig)
        }
    }

    private static func expectViews(_ rig: Rig) async throws {
        for view in ["grouped", "stored", "deep", "deeper", "twice", "calls", "rows"] {
            let query = "SELECT count(*), md5(string_agg(v::text, ',' ORDER BY v::text)) FROM \(view) v"
            let (ours, theirs) = (try await rig.onSource(query), try await rig.onTarget(query))
            #expect(ours == theirs, "\(view)")
        }
    }

    @Test(arguments: ["", "--index-early-larger-than 8kB --table-jobs 2 --split-tables-larger-than 8kB"])
    func whatDependsOnLaterThingsComesLater(_ arguments: String) async throws {
        try await Self.run { rig in
            // The event trigger would refuse what makes the publication, too.
            try await rig.clone(arguments).checked("clone")
            try await rig.expectCloned()
            try await Self.expectViews(rig)
        }
    }

    @Test(arguments: try await PostgresInstallation.targetMajors())
    func soItDoesOnOtherServers(_ major: Int) async throws {
        try await Self.run(targetMajor: major) { rig in
            try await rig.clone().checked("clone")
            try await rig.expectCloned()
            try await Self.expectViews(rig)
        }
    }

    /// Each pass is made, and what comes next is interrupted.
    @Test func afterAnInterruptionItIsMadeOnce() async throws {
        try await Self.run { rig in
            try rig.wrap("pg_restore", "case \"$*\" in *post-data-keys.list*) kill -9 $PPID; sleep 9;; esac")
            #expect(try await rig.clone().signal == SIGKILL)
            let restore = "'\(rig.clientFolder)/pg_restore' \"$@\""
            // Indexes of partitions are there, and not yet attached.
            let half = "sed -i '/INDEX ATTACH/,$d' \"${list#--use-list=}\""
            try rig.wrap(
                "pg_restore",
                "for list; do case \"$list\" in *post-data-rest.list) \(half); \(restore); kill -9 $PPID; sleep 9;; esac; done"
            )
            #expect(try await rig.clone().signal == SIGKILL)
            for pass in ["rest", "checked", "last"] {
                try rig.wrap(
                    "pg_restore", "case \"$*\" in *post-data-\(pass).list*) \(restore); kill -9 $PPID; sleep 9;; esac")
                let killed = try await rig.clone()
                #expect(killed.signal == SIGKILL, "\(pass): \(killed)")
            }
            try await rig.shell("rm -r first").checked()
            let last = try await rig.clone().checked("clone")
            #expect(!last.stderr.contains("clone: rows"), "\(last)")
            try await rig.expectCloned()
            try await Self.expectViews(rig)
        }
    }

    /// Without a table that they read, views are left out with all that reads them, and nothing is left of them.
    @Test func aViewOfWhatIsLeftOutIsLeftOut() async throws {
        try await Self.run { rig in
            let filters = try rig.folder.write("filters.ini", "[exclude-table]\npublic.others\n")
            let clone = try await rig.clone("--filters \(filters)").checked("clone")
            for view in ["VIEW public grouped", "VIEW public deep", "MATERIALIZED VIEW public deeper"] {
                #expect(clone.stderr.contains("that the filters leave out: \(view)\n"), "\(view): \(clone.stderr)")
            }
            let left =
                "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relkind IN ('v', 'm') "
                + "AND relnamespace = 'public'::regnamespace"
            #expect(try await rig.onTarget(left) == "rows stored twice")
            #expect(try await rig.onTarget("SELECT sum(v) FROM twice") == rig.onSource("SELECT sum(v) FROM twice"))
            let compared = try await rig.shell(
                "clone compare schema --source \"$SOURCE\" --target \"$TARGET\" --filters \(filters)")
            #expect(compared.succeeded, "\(compared)")
        }
    }
}
