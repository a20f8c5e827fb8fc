import Glibc
import Observability
import TestSupport
import Testing

/// Definitions that change while a clone follows: said within the interval, and never passed over by a switchover.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CloneDriftTests {
    private struct Case {
        /// What is run on the source.
        var source = ""
        /// What is run on the target.
        var target = ""
        /// What is said.
        var says: String
        /// What makes the target as the source is.
        var remedy: String
        /// The switchover refuses it.
        var isSerious = true
    }

    private static let cases: [Case] = [
        Case(
            source: "CREATE TABLE fresh (id int PRIMARY KEY, v text); INSERT INTO fresh VALUES (1, 'one')",
            says: "table public.fresh: made on the source, and not on the target",
            remedy: "CREATE TABLE fresh (id int PRIMARY KEY, v text)"),
        Case(
            source: "CREATE TABLE m_2030 PARTITION OF m FOR VALUES FROM ('2030-01-01') TO ('2031-01-01')",
            says: "table public.m_2030: made on the source, and not on the target",
            remedy: "CREATE TABLE m_2030 PARTITION OF m FOR VALUES FROM ('2030-01-01') TO ('2031-01-01')"),
        Case(
            source: "ALTER TABLE parent ADD COLUMN more int DEFAULT 7",
            says: "column public.parent.more: made on the source, and not on the target",
            remedy: "ALTER TABLE parent ADD COLUMN more int DEFAULT 7"),
        Case(
            source: "ALTER TABLE child ALTER COLUMN v TYPE varchar(30)",
            says: "column public.child.v: character varying(30) on the source, and text on the target",
            remedy: "ALTER TABLE child ALTER COLUMN v TYPE varchar(30)"),
        Case(
            source: "CREATE SEQUENCE late_one START 100; SELECT nextval('late_one')",
            says: "sequence public.late_one: made on the source, and not on the target",
            remedy: "CREATE SEQUENCE late_one START 100"),
        Case(
            source: "ALTER TYPE shop.mood ADD VALUE 'new'",
            says:
                "type shop.mood: ENUM 'sad', 'ok', 'it''s', 'new' on the source, and ENUM 'sad', 'ok', 'it''s' on the target",
            remedy: "ALTER TYPE shop.mood ADD VALUE 'new'"),
        Case(
            source: "ALTER TABLE child ADD CONSTRAINT short CHECK (v <> 'long')",
            says: "constraint public.child.short: made on the source, and not on the target",
            remedy: "ALTER TABLE child ADD CONSTRAINT short CHECK (v <> 'long')"),
        Case(
            source: "CREATE OR REPLACE VIEW shop.names AS SELECT name, id FROM shop.people",
            says: "view shop.names: changed on the source",
            remedy: "CREATE OR REPLACE VIEW shop.names AS SELECT name, id FROM shop.people"),
        Case(
            source: "ALTER TABLE child REPLICA IDENTITY FULL",
            says: "replica identity public.child: FULL on the source, and DEFAULT on the target",
            remedy: "ALTER TABLE child REPLICA IDENTITY FULL"),
        Case(
            target: "ALTER TABLE shop.teams DROP COLUMN more", says: "column shop.teams.more: dropped on the target",
            remedy: "ALTER TABLE shop.teams ADD COLUMN more hstore; UPDATE shop.teams SET more = 'a=>1, b=>NULL'"),
        Case(
            target: "CREATE INDEX only_here ON child (v)", says: "index public.only_here: only on the target",
            remedy: "DROP INDEX only_here", isSerious: false),
    ]

    /// Objects on whose meaning who may do what depends, and what an application gets.
    private static let others = """
        CREATE TABLE guarded (id int PRIMARY KEY, v text); CREATE POLICY own ON guarded USING (v <> '');
        CREATE RULE also AS ON INSERT TO guarded DO ALSO NOTHING; CREATE VIEW seen AS SELECT id FROM guarded;
        CREATE FUNCTION add_it(int, int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 + $2';
        CREATE FUNCTION take_it(int, int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 - $2';
        CREATE AGGREGATE total(int) (SFUNC = add_it, STYPE = int, INITCOND = '0');
        CREATE OPERATOR <+> (LEFTARG = int, RIGHTARG = int, FUNCTION = add_it);
        CREATE DOMAIN word AS text DEFAULT 'a'; CREATE SEQUENCE numbers OWNED BY guarded.id;
        CREATE TEXT SEARCH CONFIGURATION plain (COPY = simple); CREATE FOREIGN DATA WRAPPER far;
        CREATE SERVER there FOREIGN DATA WRAPPER far OPTIONS (a '1'); GRANT SELECT ON guarded TO PUBLIC;
        CREATE STATISTICS two ON id, v FROM guarded; CREATE SCHEMA closed; GRANT USAGE ON SCHEMA closed TO PUBLIC;
        CREATE FUNCTION quiet_one() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
        CREATE FUNCTION as_bytes(shop.mood) RETURNS bytea LANGUAGE sql AS 'SELECT NULL::bytea';
        CREATE EVENT TRIGGER watching ON sql_drop EXECUTE FUNCTION quiet_one();

        """

    /// A statement on the source, and what is said of it.
    private static let changes: [(String, String)] = [
        ("REVOKE SELECT ON guarded FROM PUBLIC", "owner and privileges public.guarded"),
        ("REVOKE USAGE ON SCHEMA closed FROM PUBLIC", "owner and privileges schema closed"),
        ("REVOKE EXECUTE ON FUNCTION add_it FROM PUBLIC", "function public.add_it(integer, integer)"),
        ("REVOKE USAGE ON TYPE word FROM PUBLIC", "owner and privileges type public.word"),
        ("ALTER TABLE guarded ENABLE ROW LEVEL SECURITY", "row security public.guarded"),
        ("ALTER POLICY own ON guarded USING (false)", "row security public.guarded.own"),
        ("CREATE OR REPLACE RULE also AS ON INSERT TO guarded DO INSTEAD NOTHING", "rule public.guarded.also"),
        ("ALTER VIEW seen SET (security_barrier = true)", "option of a view public.seen"),
        (
            "CREATE OR REPLACE AGGREGATE total(int) (SFUNC = take_it, STYPE = int, INITCOND = '0')",
            "function public.total(integer)"
        ),
        (
            "DROP OPERATOR <+> (int, int); CREATE OPERATOR <+> (LEFTARG = int, RIGHTARG = int, FUNCTION = take_it)",
            "operator public.<+> (integer, integer)"
        ), ("ALTER DOMAIN word SET DEFAULT 'b'", "type public.word"),
        ("ALTER SEQUENCE numbers OWNED BY NONE", "owner of a sequence public.numbers"),
        ("ALTER TEXT SEARCH CONFIGURATION plain DROP MAPPING FOR word", "text search public.plain"),
        ("ALTER SERVER there OPTIONS (SET a '2')", "foreign server there"),
        ("CREATE STATISTICS one (dependencies) ON v, id FROM guarded", "statistics public.one"),
        ("ALTER EVENT TRIGGER watching DISABLE", "event trigger watching"),
        ("CREATE CAST (shop.mood AS bytea) WITH FUNCTION as_bytes(shop.mood)", "cast shop.mood AS bytea"),
        (
            "ALTER TYPE pair RENAME ATTRIBUTE a TO x; ALTER TYPE pair RENAME ATTRIBUTE b TO a; ALTER TYPE pair RENAME ATTRIBUTE x TO b",
            "type public.pair"
        ),
        ("CREATE COLLATION mine FROM \"C\"", "collation public.mine"),
    ]

    /// Of what was changed before, and made so on the target.
    private static let secondChanges: [(String, String)] = [
        ("GRANT UPDATE (v) ON guarded TO PUBLIC", "owner and privileges public.guarded"),
        (
            "ALTER DEFAULT PRIVILEGES IN SCHEMA closed GRANT SELECT ON TABLES TO PUBLIC",
            "owner and privileges schema closed"
        ), ("ALTER POLICY own ON guarded USING (true)", "row security public.guarded.own"),
        ("ALTER TABLE guarded FORCE ROW LEVEL SECURITY", "row security public.guarded"),
    ]

    @Test(arguments: try await PostgresInstallation.targetMajors().prefix(1))
    func whatHangsOnObjectsIsSaid(_ targetMajor: Int) async throws {
        try await Rig.runClone(targetMajor: targetMajor) { rig in
            try await rig.onSource(Self.others)
            let follower = try await rig.startFollower("--drift-interval 1")
            for (round, changes) in [Self.changes, Self.secondChanges].enumerated() {
                let unchanged = try await rig.shell(rig.cloneCommand("switchover --dry-run")).checked("dry run")
                #expect(!unchanged.output.contains("only on the target"), "\(unchanged)")
                for (statement, _) in changes { try await rig.onSource(statement) }
                for (_, says) in changes {
                    let line = "definitions changed: \(says): "
                    try await rig.awaitStatus { $0.contains(line) }
                }
                let refused = try await rig.shell(rig.cloneCommand("switchover --fence"))
                #expect(refused.exitCode == ExitStatus.drift.rawValue, "\(round): \(refused)")
                for (statement, _) in changes { try await rig.onTarget(statement) }
                // Where the same was done, nothing is left to say of it.
                try await rig.awaitStatus { !$0.contains("definitions changed: ") }
            }
            try await rig.shell(rig.cloneCommand("switchover --fence")).checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            try await rig.expectCloned()
        }
    }

    /// One after the other, each undone by the same statement on the target.
    @Test(arguments: try await PostgresInstallation.targetMajors().prefix(1))
    func itIsSaidAndRefused(_ targetMajor: Int) async throws {
        try await Rig.runClone(targetMajor: targetMajor) { rig in
            let follower = try await rig.startFollower("--drift-interval 1")
            for one in Self.cases {
                if !one.source.isEmpty { try await rig.onSource(one.source) }
                if !one.target.isEmpty { try await rig.onTarget(one.target) }
                try await follower.awaitLog(containing: "definitions changed: \(one.says)")
                let status = try await rig.shell("clone status --dir \"$SPOOL\"").checked("status").output
                #expect(status.contains("! definitions changed: \(one.says)"), "\(status)")
                for option in ["--dry-run", one.isSerious ? "--max-lag 3600s" : "--dry-run"] {
                    let refused = try await rig.shell(rig.cloneCommand("switchover \(option)"))
                    let expected = one.isSerious ? ExitStatus.drift : .done
                    #expect(refused.exitCode == expected.rawValue, "\(one.says): \(refused)")
                    #expect((refused.output + refused.stderr).contains(one.says), "\(refused.output)")
                }
                #expect(follower.isRunning)
                try await rig.onTarget(one.remedy)
                try await rig.awaitStatus { !$0.contains("definitions changed") }
            }
            // A row of a column that the target had not, and one of a table that was not copied, are there in the end.
            try await rig.onSource("INSERT INTO fresh VALUES (2, 'two'); INSERT INTO parent (id) VALUES (50)")
            let done = try await rig.shell(rig.cloneCommand("switchover --fence --compare")).checked("switchover")
            #expect(done.output.contains("\"public\".\"fresh\" brought over again"), "\(done)")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            #expect(try await rig.onTarget("SELECT string_agg(v, ',' ORDER BY id) FROM fresh") == "one,two")
        }
    }

    @Test func itIsAcceptedByName() async throws {
        try await Rig.runClone { rig in
            let follower = try await rig.startFollower()
            try await rig.onSource("CREATE TABLE fresh (id int PRIMARY KEY); DROP TABLE none")
            let refused = try await rig.shell(rig.cloneCommand("switchover --fence"))
            #expect(refused.exitCode == ExitStatus.drift.rawValue, "\(refused)")
            #expect(refused.stderr.contains("table public.\"none\": dropped on the source"), "\(refused)")
            try await rig.onSource("INSERT INTO fresh VALUES (1)")
            let done = try await rig.shell(rig.cloneCommand("switchover --fence --accept-drift")).checked("switchover")
            #expect(done.stderr.contains("table public.\"none\": dropped on the source"), "\(done)")
            #expect(done.stderr.contains("left out, as asked: \"public\".\"fresh\" is not on the target"), "\(done)")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
        }
    }

    /// What is left out on purpose is no difference, and what comes to it neither.
    @Test func filtersLeaveOutWhatTheyDo() async throws {
        try await Rig.runClone { rig in
            try await rig.onSource("CREATE INDEX left_out ON child (v)")
            try await rig.shell(
                "printf '[exclude-table]\nshop.*\n[exclude-index]\npublic.left_out\n' >\"$FOLDER/filters.ini\""
            )
            .checked("filters")
            let follower = try await rig.startFollower("--drift-interval 1 --filters \"$FOLDER/filters.ini\"")
            try await rig.onSource(
                "CREATE TABLE shop.fresh (id int PRIMARY KEY); CREATE TABLE seen (id int PRIMARY KEY)")
            try await follower.awaitLog(containing: "definitions changed: table public.seen")
            #expect(!follower.stderr.contains("shop."), "\(follower.stderr)")
            let refused = try await rig.shell(rig.cloneCommand("switchover --fence"))
            #expect(refused.exitCode == ExitStatus.drift.rawValue, "\(refused)")
            try await rig.onSource("DROP TABLE seen")
            try await rig.shell(rig.cloneCommand("switchover --fence")).checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
        }
    }
}

extension Rig {
    /// Waits until `clone status` says what it should.
    func awaitStatus(_ isRight: (String) -> Bool) async throws {
        var status = ""
        while !isRight(status) || status.isEmpty {
            status = try await shell("clone status --dir \"$SPOOL\"").checked("status").output
        }
    }
}
