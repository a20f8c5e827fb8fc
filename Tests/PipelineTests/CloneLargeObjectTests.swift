import Glibc
import Observability
import TestSupport
import Testing

/// Large objects: content, owners, privileges, comments; and that changes of them are said to be lost.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CloneLargeObjectTests {
    private static let contents = """
        SELECT count(*) || ' ' || md5(string_agg(oid || md5(lo_get(oid)), ',' ORDER BY oid)) FROM pg_largeobject_metadata
        """
    private static let about = """
        SELECT string_agg(concat_ws(' ', m.oid, r.rolname, m.lomacl, obj_description(m.oid, 'pg_largeobject')), E'\\n'
                          ORDER BY m.oid) FROM pg_largeobject_metadata m JOIN pg_roles r ON r.oid = m.lomowner
        """

    /// Many small ones, empty ones, one with a hole, and some that end at the edges of pieces.
    private static func objects(_ role: String) -> String {
        """
        SELECT lo_from_bytea(0, convert_to(repeat('x', g % 50) || g, 'UTF8')) FROM generate_series(1, 1200) g;
        SELECT lo_create(900001), lo_from_bytea(900002, '');
        SELECT lo_from_bytea(900004 + n, decode(repeat('00ff', 32768 * 2 + n), 'hex')) FROM generate_series(-1, 1) n;
        SELECT lo_from_bytea(900010, decode(repeat('5c27', 300000), 'hex'));
        SELECT lo_create(900011); SELECT lo_put(900011, 700000, '\\x01');
        CREATE ROLE \(role); ALTER LARGE OBJECT 900002 OWNER TO \(role);
        GRANT SELECT ON LARGE OBJECT 900003 TO PUBLIC; GRANT ALL ON LARGE OBJECT 900004 TO \(role) WITH GRANT OPTION;
        REVOKE UPDATE ON LARGE OBJECT 900010 FROM CURRENT_USER; COMMENT ON LARGE OBJECT 900001 IS 'it''s empty';

        """
    }

    @Test func theyArriveAsTheyWereAtTheSnapshot() async throws {
        let role = "keeper_\(getpid())"
        try await Rig.runClone { rig in
            try await rig.onSource(Self.objects(role))
            try await rig.onTarget("CREATE ROLE \(role)")
            let before = (try await rig.onSource(Self.contents), try await rig.onSource(Self.about))
            // Behind the snapshot they change.
            let change =
                "SELECT lo_unlink(900001), lo_put(900010, 5, $$late$$); SELECT lo_from_bytea(900020, $$late$$)"
            try rig.wrap("pg_restore", "case \"$*\" in --list*) psql -Xqd \"$SOURCE\" -c '\(change)';; esac")
            #expect(try await rig.clone("--follow", failpoint: "after-large-objects:2").signal == SIGKILL)
            try await rig.shell("rm -r first").checked()
            try await rig.onSource(
                """
                SELECT lo_unlink(900020), lo_create(900001); COMMENT ON LARGE OBJECT 900001 IS 'it''s empty';
                SELECT lo_put(900010, 5, decode('275c275c', 'hex'))
                """)
            #expect(try await rig.onSource(Self.contents) == before.0)
            try rig.wrap("pg_restore", "case \"$*\" in --list*) psql -Xqd \"$SOURCE\" -c '\(change)';; esac")
            let finished = try await rig.clone("--follow --endpos current").checked("clone")
            // Of the tables that were there, only what a crash of the target would have emptied is copied again.
            #expect(finished.stderr.contains("\"public\".\"unlogged\": 1 row,"), "\(finished.stderr)")
            #expect(!finished.stderr.contains("\"public\".\"none\": "), "\(finished.stderr)")
            #expect(try await rig.onTarget(Self.contents) == before.0)
            #expect(try await rig.onTarget(Self.about) == before.1)
            #expect(finished.stderr.contains("1207 large objects"), "\(finished.stderr)")
            #expect(finished.stderr.contains("changes of large objects are not in the stream"), "\(finished.stderr)")
            try await rig.expectCleanedUp()
            let differs = try await rig.shell(rig.cloneCommand("compare data"))
            #expect(differs.exitCode == 1, "\(differs)")
            for line in [
                "not on the source: (loid) = (900001)", "differs: (loid) = (900010)",
                "not on the target: (loid) = (900020)",
            ] {
                #expect(differs.output.contains("large objects: \(line)"), "\(differs)")
            }
            // A hole on the source is zeros on the target, and no difference.
            try await rig.onSource(
                "SELECT lo_unlink(900020), lo_create(900001); SELECT lo_put(900010, 5, decode('275c275c', 'hex'))")
            let equal = try await rig.shell(rig.cloneCommand("compare data")).checked("compare")
            #expect(equal.output.contains("1207 large objects are equal"), "\(equal)")
            try await rig.onSource("ALTER LARGE OBJECT 900002 OWNER TO CURRENT_USER; DROP OWNED BY \(role)")
            try await rig.onTarget("ALTER LARGE OBJECT 900002 OWNER TO CURRENT_USER; DROP OWNED BY \(role)")
            try await rig.onSource("DROP ROLE \(role)")
            try await rig.onTarget("DROP ROLE \(role)")
        }
    }

    @Test func theyCanStay() async throws {
        try await Rig.runClone { rig in
            try await rig.onSource("SELECT lo_create(900001)")
            let finished = try await rig.clone("--skip-large-objects").checked("clone")
            #expect(finished.stderr.contains("NOT copied (--skip-large-objects)"), "\(finished.stderr)")
            #expect(try await rig.onTarget("SELECT count(*) FROM pg_largeobject_metadata") == "0")
            try await rig.shell(rig.cloneCommand("compare data")).checked("compare")
            // And what is there is in the way.
            try await rig.onTarget("SELECT lo_create(4711)")
            try await rig.shell("rm -r spool").checked()
            let differs = try await rig.shell(rig.cloneCommand("compare data"))
            #expect(differs.exitCode == 1, "\(differs)")
            #expect(differs.output.contains("large objects: not on the source: (loid) = (4711)"), "\(differs)")
            try await rig.shell(rig.cloneCommand("compare data --skip-large-objects")).checked("compare")
            #expect(try await rig.clone().stderr.contains("large object 4711"))
        }
    }
}
