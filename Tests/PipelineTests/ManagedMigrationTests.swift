import Glibc
import TestSupport
import Testing

/// Whole migrations between servers on which nobody of ours is superuser, by a role that begins with nothing and gets
/// what the scripts of `clone check` say.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct ManagedMigrationTests {
    /// One migration: from the installed version to the newest, or within the newest.
    struct Pair: CustomTestStringConvertible, Sendable {
        var from: ManagedServer
        var to: ManagedServer
        var isSameVersion = false

        var testDescription: String { "\(from) to \(to)\(isSameVersion ? ", same version" : "")" }
    }

    /// Each service once on both sides; `tools/managed` has them all.
    private static let pairs: [Pair] = {
        guard let text = getenv("WALRELAY_MANAGED_ONLY") else {
            return [
                Pair(from: .rds, to: .neon), Pair(from: .cloudSQL, to: .azure), Pair(from: .azure, to: .supabase),
                Pair(from: .neon, to: .rds, isSameVersion: true), Pair(from: .supabase, to: .cloudSQL),
            ]
        }
        let only = String(cString: text)
        return [false, true].flatMap { isSameVersion in
            ManagedServer.allCases.flatMap { from in
                ManagedServer.allCases.map { Pair(from: from, to: $0, isSameVersion: isSameVersion) }
            }
        }.filter { only.isEmpty || "\($0.from)" == only || "\($0.to)" == only }
    }()

    @Test(arguments: pairs)
    func aMigrationByARoleWithNothing(_ pair: Pair) async throws {
        try await migrate(pair.from, pair.to, isSameVersion: pair.isSameVersion)
        print("managed: \(pair.testDescription)")
    }

    /// Without GRANT SET ON PARAMETER only superusers may switch off triggers: then they come late.
    private static func mayReplicaRole(_ server: ManagedServer, _ major: Int) -> Bool { server != .neon && major >= 15 }

    private func migrate(_ from: ManagedServer, _ to: ManagedServer, isSameVersion: Bool = false) async throws {
        let target = try await Cluster.start(role: .target, name: to.rawValue)
        let source = try await Cluster.start(
            name: from.rawValue, installation: isSameVersion ? target.installation : nil)
        try await Rig.run(source: source, target: target, publication: nil, createsSlot: false) { rig in
            let (ours, theirs) = (rig.sourceDatabase, rig.targetDatabase)
            let majors = (source: source.installation.major, target: target.installation.major)
            try await rig.onSource(
                from.setUp(ours, major: majors.source) + from.application(ours) + "CREATE ROLE mover LOGIN;")
            try await rig.onTarget(to.setUp(theirs, major: majors.target) + "CREATE ROLE mover LOGIN;")
            let servers =
                "export SOURCE='\(source.connectionString(database: ours, user: "mover"))' "
                + "TARGET='\(target.connectionString(database: theirs, user: "mover"))'; "
            try await prepare(rig, servers, from, to)

            // The service's own session, which nobody may end.
            let watcher = try rig.start(
                "exec psql -Xq -d '\(source.connectionString(database: ours, user: from.superuser))' -c 'SELECT pg_sleep(600)'"
            )
            defer { watcher.killGroup() }
            // Of this one the role may see no more than that it is there.
            let stranger = try rig.start(
                "exec psql -Xq -d '\(source.connectionString(database: ours, user: "reader"))' -c 'SELECT pg_sleep(600)'"
            )
            let load = try startLoad(rig)
            let follower = try rig.start(servers + rig.cloneCommand("--follow"))
            try await follower.awaitLog(containing: "following the source's changes", within: .seconds(90))
            try await change(rig)
            let isLate = !Self.mayReplicaRole(to, majors.target)
            let status = try await rig.shell("clone status --dir \"$SPOOL\"").checked("status")
            #expect(status.output.contains("left out") == isLate, "\(status)")
            if isLate {
                let schema = try await rig.shell(servers + rig.cloneCommand("compare schema"))
                for kind in ["FK CONSTRAINT", "TRIGGER shop", "RULE"] {
                    #expect(!schema.output.contains(kind), "\(schema)")
                }
                #expect(
                    try await rig.onTarget(
                        "SELECT count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid "
                            + "WHERE relnamespace = 'shop'::regnamespace") == "0")
            }
            let dry = try await rig.shell(servers + rig.cloneCommand("switchover --fence --dry-run")).checked("dry run")
            #expect(dry.output.contains("may not be ended by this role; it writes nothing"), "\(dry)")
            let switched = try await rig.shell(servers + rig.cloneCommand("switchover --fence --compare")).checked(
                "switchover")
            #expect(switched.stderr.contains("may not be ended by this role; it writes nothing"), "\(switched)")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            #expect(try await stranger.wait().exitCode != 0)
            #expect(try await load.wait().exitCode != 0)
            try await expectMoved(rig, from, to)
            try await rig.shell(servers + rig.cloneCommand("cleanup")).checked("cleanup")
            try await rig.expectCleanedUp()
        }
        try await source.remove()
        try await target.remove()
    }

    /// The application's own work, from before the copy until the fence ends it.
    private func startLoad(_ rig: Rig) throws -> RunningProgram {
        try rig.folder.write(
            "load.sql",
            """
            \\set person random(50, 500)
            BEGIN;
            INSERT INTO shop.orders (person) VALUES (:person);
            UPDATE shop.people SET name = name || '.' WHERE id = :person;
            INSERT INTO public.plain VALUES (1000 + nextval('shop.orders_id_seq'), 'load');
            DELETE FROM shop.orders WHERE id = currval('shop.orders_id_seq') - 7;
            COMMIT;

            """)
        let application = rig.source.connectionString(database: rig.sourceDatabase, user: "app")
        return try rig.start("exec pgbench -n -c 2 -T 600 -R 60 --random-seed=7 -f load.sql '\(application)'")
    }

    /// One check names everything, its scripts are run once, and the next one passes.
    private func prepare(_ rig: Rig, _ servers: String, _ from: ManagedServer, _ to: ManagedServer) async throws {
        let before = try await rig.shell(servers + rig.cloneCommand("check"))
        #expect(!before.succeeded, "\(before)")
        for (side, place) in [
            ("source", "role"), ("source", "publication"), ("target", "database"), ("target", "roles"),
        ] {
            let isNamed = before.outputLines.contains {
                $0.hasPrefix("FAIL")
                    && $0.split(separator: " ").dropFirst().prefix(2).elementsEqual([side[...], place[...]])
            }
            #expect(isNamed, "\(side) \(place): \(before)")
        }
        let ours = try await rig.shell(servers + rig.cloneCommand("check --sql source")).checked("check --sql source")
        let theirs = try await rig.shell(servers + rig.cloneCommand("check --sql target")).checked("check --sql target")
        #expect(ours.output.contains(from == .rds ? "GRANT rds_replication" : "REPLICATION;"), "\(ours)")
        #expect(!(ours.output + theirs.output).contains("ALTER SYSTEM"), "\(ours) \(theirs)")
        try await rig.onSource(ours.output)
        try await rig.onTarget(theirs.output)
        try await rig.onSource(from.settle(major: rig.source.installation.major))
        try await rig.onTarget(to.settle(major: rig.target.installation.major))
        let after = try await rig.shell(servers + rig.cloneCommand("check --all")).checked("check")
        #expect(after.output.contains("were made and rolled back") || to == .supabase, "\(after)")
    }

    /// The source's own triggers, rules and cascades make further changes, which must come once.
    private func change(_ rig: Rig) async throws {
        try await rig.onSource(
            """
            SET ROLE app;
            INSERT INTO shop.people SELECT g, 'late' FROM generate_series(501, 600) g; DELETE FROM shop.people WHERE id < 50;
            INSERT INTO public.plain SELECT g, 'late' FROM generate_series(101, 200) g;
            UPDATE shop.orders SET person = 600 WHERE person = 60
            """)
    }

    private func expectMoved(_ rig: Rig, _ from: ManagedServer, _ to: ManagedServer) async throws {
        let definitions = """
            SELECT string_agg(what, E'\\n' ORDER BY what COLLATE "C") FROM (
              SELECT concat_ws(' ', 'owner', relname, pg_get_userbyid(relowner)) AS what FROM pg_class c
               WHERE relnamespace::regnamespace::text IN ('shop', 'public', 'kept') AND relkind IN ('r', 'S', 'm')
               UNION ALL SELECT concat_ws(' ', 'key', conname, convalidated) FROM pg_constraint
               WHERE contype = 'f' AND connamespace::regnamespace::text = 'shop'
               UNION ALL SELECT concat_ws(' ', 'trigger', tgname, tgenabled, obj_description(oid, 'pg_trigger'))
                 FROM pg_trigger WHERE NOT tgisinternal
               UNION ALL SELECT concat_ws(' ', 'rule', rulename) FROM pg_rewrite WHERE rulename = 'shadowing'
               UNION ALL SELECT concat_ws(' ', 'reader', privilege_type) FROM pg_class, aclexplode(relacl) a
               WHERE relname = 'people' AND a.grantee = 'reader'::regrole
               UNION ALL SELECT concat_ws(' ', 'default', pg_get_userbyid(defaclrole)) FROM pg_default_acl
               WHERE pg_get_userbyid(defaclrole) = 'app') o
            """
        let expected = try await rig.onSource(definitions)
        #expect(try await rig.onTarget(definitions) == expected)
        let rows =
            "SELECT (SELECT count(*) FROM shop.log), (SELECT count(*) FROM public.shadow), "
            + "(SELECT count(*) FROM shop.orders)"
        #expect(try await rig.onTarget(rows) == rig.onSource(rows))
        // What is the service's stays there.
        #expect(
            try await rig.onTarget("SELECT count(*) FROM pg_roles WHERE rolname = '\(from.superuser)'")
                == (from == to ? "1" : "0"))
    }
}
