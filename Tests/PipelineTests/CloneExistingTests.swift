import Observability
import TestSupport
import Testing

/// Roles that the target lacks, and a target that is not empty.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CloneExistingTests {
    /// A role that only has privileges, or a policy, is looked for, too.
    @Test func missingRolesAreNamedAllAtOnceOrLeftOut() async throws {
        try await Rig.run("", publication: nil, createsSlot: false) { rig in
            let roles = ["owner", "grantee", "policy", "standard", "caller"].map { "\(rig.name)_\($0)" }
            try await rig.onSource(
                roles.map { "CREATE ROLE \($0);" }.joined()
                    + """
                    CREATE ROLE \(rig.name)_both; CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY);
                    ALTER TABLE t OWNER TO \(roles[0]); GRANT SELECT ON t TO \(roles[1]), \(rig.name)_both;
                    CREATE POLICY p ON u TO PUBLIC USING (true); ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO \(roles[3]);
                    CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION f() OWNER TO \(roles[4]);
                    INSERT INTO t VALUES (1);
                    """)
            try await rig.target.sql("CREATE ROLE \(rig.name)_both")
            let check = try await rig.shell(rig.cloneCommand("check"))
            #expect(check.exitCode == ExitStatus.unsuitableServer.rawValue, "\(check)")
            for role in [roles[0], roles[1], roles[3], roles[4]] {
                #expect(check.output.contains(role), "\(role): \(check)")
            }
            #expect(!check.output.contains("\(rig.name)_both"), "\(check)")
            let cloned = try await rig.clone("--skip-missing-roles").checked("clone")
            for role in [roles[0], roles[1], roles[3], roles[4]] {
                #expect(cloned.output.contains(role), "\(role): \(cloned)")
            }
            #expect(try await rig.onTarget("SELECT relowner::regrole FROM pg_class WHERE relname = 't'") == "postgres")
            let acl =
                "SELECT count(*) FROM pg_class, aclexplode(relacl) a WHERE relname = 't' AND a.grantee = '\(rig.name)_both'::regrole"
            #expect(try await rig.onTarget(acl) == "1")
            try await rig.onSource("DROP OWNED BY \(roles.joined(separator: ", ")), \(rig.name)_both")
            try await rig.onSource("DROP ROLE \(roles.joined(separator: ", ")), \(rig.name)_both")
            try await rig.onTarget("DROP OWNED BY \(rig.name)_both; DROP ROLE \(rig.name)_both")
        }
    }

    private static let others = """
        CREATE SCHEMA others; CREATE TABLE others.a (id int PRIMARY KEY); CREATE TABLE others.b (id int REFERENCES others.a);
        CREATE TABLE in_public (id int PRIMARY KEY); INSERT INTO others.a VALUES (1); INSERT INTO others.b VALUES (1);
        CREATE FUNCTION others.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER others BEFORE INSERT ON others.a FOR EACH ROW EXECUTE FUNCTION others.f();
        """
    private static let there = """
        SELECT (SELECT count(*) FROM others.a), (SELECT count(*) FROM others.b), (SELECT count(*) FROM pg_constraint
          WHERE connamespace = 'others'::regnamespace), (SELECT count(*) FROM pg_trigger WHERE tgname = 'others'),
          to_regclass('in_public') IS NOT NULL
        """

    @Test func whatIsThereStays() async throws {
        try await Rig.runClone { rig in
            try await rig.onTarget(Self.others)
            let before = try await rig.onTarget(Self.there)
            let refused = try await rig.clone("--follow")
            #expect(refused.exitCode == ExitStatus.unsuitableServer.rawValue, "\(refused)")
            #expect(refused.stderr.contains("--into-existing"), "\(refused)")
            try await rig.onTarget("CREATE TABLE parent (x int)")
            let hit = try await rig.clone("--follow --into-existing")
            #expect(
                hit.exitCode == ExitStatus.unsuitableServer.rawValue && hit.stderr.contains("table public.parent"),
                "\(hit)")
            try await rig.onTarget("DROP TABLE parent")
            // Killed when there is much to drop again.
            let killed = try await rig.clone("--follow --into-existing", failpoint: "after-keys")
            #expect(!killed.succeeded)
            #expect(try await rig.onTarget(Self.there) == before)
            let follower = try rig.startClone("--follow --into-existing")
            try await follower.awaitLog(containing: "following the source's changes", within: .seconds(60))
            #expect(try await rig.onTarget(Self.there) == before)
            try await rig.onSource(Rig.wholeChanges)
            let switched = try await rig.clone("switchover --compare").checked("switchover")
            #expect(!switched.stderr.contains("others"), "\(switched)")
            #expect(try await follower.wait().exitCode == 0)
            let compared = try await rig.shell(rig.cloneCommand("compare schema"))
            #expect(compared.succeeded, "\(compared)")
            #expect(try await rig.onTarget(Self.there) == before)
        }
    }
}
