import Glibc
import Observability
import TestSupport
import Testing

/// `clone --roles`: roles belong to whole servers, so these are servers of the test's own.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CloneRoleTests {
    private static let roles = """
        SELECT string_agg(concat_ws(' ', rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin,
                 rolreplication, rolbypassrls, rolconnlimit, rolvaliduntil, rolpassword,
                 shobj_description(oid, 'pg_authid'),
                 (SELECT s.setconfig::text FROM pg_db_role_setting s WHERE s.setrole = a.oid AND s.setdatabase = 0),
                 (SELECT string_agg(m.roleid::regrole || ' ' || m.admin_option, ',' ORDER BY m.roleid::regrole::text)
                    FROM pg_auth_members m WHERE m.member = a.oid)), E'\\n' ORDER BY rolname)
          FROM pg_authid a WHERE rolname ~ '^(app|Odd|there)'
        """

    @Test func theyAreMadeWhereTheyAreMissing() async throws {
        let source = try await Cluster.start(name: "roles")
        let target = try await Cluster.start(role: .target, name: "noroles")
        try await Rig.run(source: source, target: target, publication: nil, createsSlot: false) { rig in
            try await rig.onSource(
                """
                CREATE ROLE there; CREATE ROLE "Odd ""role" NOINHERIT CREATEDB;
                CREATE ROLE app LOGIN PASSWORD 'hard ''to guess' CONNECTION LIMIT 7 VALID UNTIL '2040-01-01' IN ROLE there;
                COMMENT ON ROLE app IS 'it''s one'; GRANT "Odd ""role" TO app WITH ADMIN OPTION; GRANT pg_monitor TO app;
                ALTER ROLE app SET search_path = shop, "$user", public; ALTER ROLE app SET work_mem = '7MB';
                ALTER ROLE app SET "my.own" = 'a, b''c';
                CREATE TABLE t (id int PRIMARY KEY); ALTER TABLE t OWNER TO app; GRANT SELECT ON t TO there;
                """)
            try await rig.onTarget("CREATE ROLE there")
            let lacking = try await rig.clone("--follow")
            #expect(lacking.exitCode == ExitStatus.unsuitableServer.rawValue, "\(lacking)")
            #expect(lacking.stderr.contains("give --roles"), "\(lacking)")
            let finished = try await rig.clone("--follow --roles --endpos current").checked("clone")
            #expect(try await rig.onTarget(Self.roles) == rig.onSource(Self.roles))
            #expect(!finished.stderr.contains("SCRAM"), "\(finished.stderr)")
            try await rig.expectCloned()
            // Another database of the same servers: all are there.
            try await rig.shell("rm -r spool").checked()
            try await rig.onTarget("DROP TABLE t")
            let again = try await rig.clone("--roles --no-role-passwords").checked("clone")
            #expect(again.stderr.contains("all roles of the source are on the target"), "\(again.stderr)")
        }
    }

    /// Neither side's role is a superuser: what it may not read or give is passed over, and named.
    @Test func aRoleThatMayMakeRolesMakesThem() async throws {
        let source = try await Cluster.start(name: "roles of a service")
        let target = try await Cluster.start(role: .target, name: "maker")
        try await Rig.run(source: source, target: target, publication: nil, createsSlot: false) { rig in
            try await rig.onSource(
                """
                CREATE ROLE rdsadmin SUPERUSER; CREATE ROLE boss SUPERUSER LOGIN PASSWORD 'secret'; CREATE ROLE app CREATEDB;
                CREATE ROLE reader LOGIN CONNECTION LIMIT 3; GRANT app TO reader; GRANT rdsadmin TO boss;
                CREATE TABLE t (id int PRIMARY KEY); ALTER TABLE t OWNER TO app; GRANT SELECT ON t TO reader, rdsadmin;
                GRANT CREATE ON SCHEMA public TO app; CREATE ROLE mover LOGIN; GRANT app TO mover
                """)
            try await rig.onTarget(
                "CREATE ROLE mover LOGIN CREATEROLE; ALTER DATABASE \(rig.targetDatabase) OWNER TO mover")
            let servers =
                "SOURCE='\(source.connectionString(database: rig.sourceDatabase, user: "mover"))' "
                + "TARGET='\(target.connectionString(database: rig.targetDatabase, user: "mover"))'; "
            let cloned = try await rig.shell(servers + rig.cloneCommand("--roles")).checked("clone")
            for words in ["without passwords", "SUPERUSER of boss", "made roles on the target: app, boss, reader"] {
                #expect(cloned.stderr.contains(words), "\(words): \(cloned.stderr)")
            }
            let roles = """
                SELECT string_agg(concat_ws(' ', rolname, rolsuper, rolcanlogin, rolconnlimit), ', ' ORDER BY rolname)
                  FROM pg_roles WHERE rolname IN ('app', 'boss', 'reader', 'rdsadmin')
                """
            #expect(try await rig.onTarget(roles) == "app f f -1, boss f t -1, reader f t 3")
            let table = "SELECT relowner::regrole, relacl FROM pg_class WHERE relname = 't'"
            #expect(try await rig.onTarget(table) == "app|{app=arwdDxtm/app,reader=r/app}")
        }
        try await source.remove()
        try await target.remove()
    }
}
