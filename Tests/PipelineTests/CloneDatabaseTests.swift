import Observability
import TestSupport
import Testing

/// What belongs to the database itself, and rows in tables of extensions.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct CloneDatabaseTests {
    private static func settings(_ database: String) -> String {
        """
        SELECT string_agg(coalesce(rolname, '-') || ':' || c, E'\\n' ORDER BY rolname NULLS FIRST, c)
          FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase LEFT JOIN pg_roles r ON r.oid = setrole,
               unnest(setconfig) c WHERE datname = '\(database)'
        """
    }
    private static func acl(_ database: String) -> String {
        """
        SELECT string_agg(concat_ws('|', coalesce(rolname, '-'), privilege_type, is_grantable), ',' ORDER BY rolname, 1, privilege_type)
          FROM pg_database d, aclexplode(datacl) a LEFT JOIN pg_roles r ON r.oid = grantee WHERE datname = '\(database)' AND grantee <> datdba
        """
    }

    private static func run(_ body: (Rig, String) async throws -> Void) async throws {
        let source = try await Cluster.start(name: "source of properties")
        let target = try await Cluster.start(role: .target, name: "target of properties")
        try await Rig.run(source: source, target: target, publication: nil, createsSlot: false) { rig in
            let database = rig.sourceDatabase
            for role in ["reader", "\"odd role\""] {
                _ = try await source.sql("CREATE ROLE \(role)")
                _ = try await target.sql("CREATE ROLE \(role)")
            }
            _ = try await source.sql("CREATE ROLE source_only")
            try await rig.onSource(
                """
                CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1);
                ALTER DATABASE \(database) SET work_mem = '7MB'; ALTER DATABASE \(database) SET search_path = "$user", "odd ""one", public;
                ALTER DATABASE \(database) SET "my.setting" = 'it''s'; ALTER DATABASE \(database) SET statement_timeout = '61s';
                ALTER ROLE reader IN DATABASE \(database) SET default_transaction_read_only = on;
                ALTER ROLE "odd role" IN DATABASE \(database) SET lock_timeout = '3s';
                ALTER ROLE source_only IN DATABASE \(database) SET lock_timeout = '4s';
                ALTER DATABASE \(database) SET default_transaction_read_only = on;
                COMMENT ON DATABASE \(database) IS 'of ours'; ALTER DATABASE \(database) CONNECTION LIMIT 37;
                REVOKE ALL ON DATABASE \(database) FROM PUBLIC; GRANT CONNECT ON DATABASE \(database) TO PUBLIC;
                GRANT CREATE, TEMPORARY ON DATABASE \(database) TO reader; GRANT CREATE ON DATABASE \(database) TO "odd role" WITH GRANT OPTION;
                GRANT CREATE ON DATABASE \(database) TO source_only;
                """)
            try await body(rig, database)
        }
        try await source.remove()
        try await target.remove()
    }

    @Test func whatBelongsToTheDatabaseIsCopied() async throws {
        try await Self.run { rig, database in
            let clone = try await rig.clone().checked("clone")
            for warning in [
                "\"source_only\" of the source's database is NOT", "roles that the target lacks: source_only",
            ] {
                #expect(clone.stderr.contains(warning), "\(clone)")
            }
            let target = rig.targetDatabase
            let there = try await rig.target.sql(Self.settings(target))
            #expect(
                there == """
                    -:my.setting=it's
                    -:search_path="$user", "odd ""one", public
                    -:statement_timeout=61s
                    -:work_mem=7MB
                    odd role:lock_timeout=3s
                    reader:default_transaction_read_only=on
                    """, "\(there)")
            let acl = try await rig.target.sql(Self.acl(target))
            #expect(acl == "odd role|CREATE|t,reader|CREATE|f,reader|TEMPORARY|f,-|CONNECT|f", "\(acl)")
            let rest = "SELECT datconnlimit, shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = "
            #expect(try await rig.target.sql(rest + "'\(target)'") == "37|of ours")
        }
    }

    @Test func itIsLeftOutOnRequest() async throws {
        try await Self.run { rig, _ in
            try await rig.clone("--skip-db-properties").checked("clone")
            #expect(try await rig.target.sql(Self.settings(rig.targetDatabase)) == "")
            #expect(try await rig.target.sql(Self.acl(rig.targetDatabase)) == "")
        }
    }

    /// A setting with which clone could not continue is taken back.
    @Test func aSettingThatChangesTheRoleIsLeftOut() async throws {
        try await Self.run { rig, database in
            _ = try await rig.target.sql("ALTER ROLE reader SUPERUSER")
            _ = try await rig.source.sql("ALTER ROLE reader SUPERUSER; ALTER DATABASE \(database) SET role = 'reader'")
            let clone = try await rig.clone().checked("clone")
            #expect(clone.stderr.contains("the setting role of the source's database is NOT on the target"), "\(clone)")
            #expect(try await !rig.target.sql(Self.settings(rig.targetDatabase)).contains("role="))
        }
    }

    /// An extension that has a table of configuration: here one that has been added to another, on both sides.
    private static let configuration = """
        CREATE EXTENSION hstore; CREATE SCHEMA settings; CREATE TABLE settings.parents (id int PRIMARY KEY, v text, own bool);
        CREATE TABLE settings.children (parent int REFERENCES settings.parents, v text); CREATE SEQUENCE settings.numbers;
        INSERT INTO settings.parents VALUES (1, 'made by the extension', false);
        ALTER EXTENSION hstore ADD TABLE settings.parents; ALTER EXTENSION hstore ADD TABLE settings.children;
        ALTER EXTENSION hstore ADD SEQUENCE settings.numbers; ALTER EXTENSION hstore ADD SCHEMA settings;
        UPDATE pg_extension SET extconfig = ARRAY['settings.children'::regclass, 'settings.parents'::regclass, 'settings.numbers'::regclass]::oid[],
          extcondition = ARRAY['', 'WHERE own', ''] WHERE extname = 'hstore';

        """

    @Test(arguments: ["", "--follow --endpos current"])
    func rowsInTablesOfExtensionsAreCopied(_ arguments: String) async throws {
        try await Rig.run(publication: nil, createsSlot: false) { rig in
            try await rig.onBoth(Self.configuration)
            try await rig.onSource(
                """
                INSERT INTO settings.parents VALUES (2, E'a\\tb', true), (3, NULL, true); SELECT nextval('settings.numbers');
                INSERT INTO settings.children VALUES (1, 'x'), (2, 'y'), (3, 'z'); CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1);
                UPDATE settings.parents SET v = 'changed by hand' WHERE id = 1;
                """)
            let killed = try await rig.clone(arguments, failpoint: "after-rows")
            #expect(killed.signal != nil, "\(killed)")
            let clone = try await rig.clone(arguments).checked("clone")
            #expect(!clone.output.contains("Not as on the source"), "\(clone)")
            let parents = "SELECT string_agg(p::text, ' ' ORDER BY id) FROM settings.parents p WHERE own"
            #expect(try await rig.onTarget(parents) == rig.onSource(parents))
            let children = "SELECT string_agg(c::text, ' ' ORDER BY parent) FROM settings.children c"
            #expect(try await rig.onTarget(children) == rig.onSource(children))
            #expect(try await rig.onTarget("SELECT v FROM settings.parents WHERE id = 1") == "made by the extension")
            #expect(try await rig.onTarget("SELECT last_value, is_called FROM settings.numbers") == "1|t")
        }
    }

    /// No publication sends the rows of an extension's tables.
    @Test func whatChangesInTablesOfExtensionsIsBroughtOverInTheSwitchover() async throws {
        try await Rig.run(publication: nil, createsSlot: false) { rig in
            try await rig.onBoth(Self.configuration)
            try await rig.onSource("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
            let follower = try await rig.startFollower()
            try await rig.onSource(
                """
                INSERT INTO settings.parents VALUES (2, 'late', true); INSERT INTO settings.children VALUES (2, 'later');
                SELECT nextval('settings.numbers'), nextval('settings.numbers');
                """)
            let refused = try await rig.shell(rig.cloneCommand("switchover --fence --rest refuse"))
            #expect(refused.exitCode == ExitStatus.drift.rawValue, "\(refused)")
            let done = try await rig.shell(rig.cloneCommand("switchover --fence")).checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            #expect(done.output.contains("\"settings\".\"children\""), "\(done)")
            let all = "SELECT v, (SELECT last_value FROM settings.numbers) FROM settings.children"
            #expect(try await rig.onTarget(all) == "later|2")
            #expect(try await rig.onTarget("SELECT v FROM settings.parents WHERE id = 2") == "late")
        }
    }

    @Test func aTableThatTheTargetsExtensionLacksIsNamed() async throws {
        try await Rig.run(publication: nil, createsSlot: false) { rig in
            try await rig.onSource(
                Self.configuration
                    + "INSERT INTO settings.children VALUES (1, 'x'); CREATE TABLE t (id int PRIMARY KEY);")
            let clone = try await rig.clone().checked("clone")
            #expect(
                clone.output.contains(
                    "\"settings\".\"children\" of extension \"hstore\": the rows that users added are not"), "\(clone)")
            let quiet = try await rig.clone("--skip-extensions --restart --dir \(rig.folder.path("other"))")
            #expect(!quiet.output.contains("settings"), "\(quiet)")
        }
    }
}
